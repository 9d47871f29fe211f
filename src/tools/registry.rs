//! The list of tools. Adding one is a file and a line here.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{
    InvalidDefinition, ToolAnswer, ToolDefinition, ToolError, chat::Chat, listmodels::ListModels,
    version::Version,
};
use crate::{call::CallContext, models::Models};

/// Something a client can call.
pub trait Tool: Send + Sync {
    /// What clients are told of it.
    fn definition(&self) -> &ToolDefinition;

    /// Runs it. Only the guard calls this, with arguments that passed the input schema; dropping
    /// the future cancels the call.
    fn run<'a>(
        &'a self,
        arguments: Map<String, Value>,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ToolAnswer, ToolError>>;
}

/// All tools, in the order in which clients see them.
pub struct Registry {
    tools: Vec<Arc<dyn Tool>>,
}

impl Registry {
    /// The tools of this build.
    ///
    /// # Errors
    /// If a definition is broken.
    pub fn new(models: Arc<Models>) -> Result<Self, InvalidDefinition> {
        Ok(Self {
            tools: vec![
                Arc::new(Chat::new(Arc::clone(&models))?),
                Arc::new(ListModels::new(models)?),
                Arc::new(Version::new()?),
            ],
        })
    }

    /// The tools in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.tools.iter()
    }
}

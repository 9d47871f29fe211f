//! The list of tools. Adding one is a file and a line here.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{
    InvalidDefinition, Plan, ToolAnswer, ToolDefinition, ToolError, chat::Chat,
    listmodels::ListModels, version::Version,
};
use crate::{
    call::CallContext,
    models::{Asker, Models},
    workspace::Workspace,
};

/// Something a client can call.
pub trait Tool: Send + Sync {
    /// What clients are told of it.
    fn definition(&self) -> &ToolDefinition;

    /// What a call with these arguments would use. Reads nothing and asks nobody.
    ///
    /// # Errors
    /// If it is known already that the call cannot be answered.
    fn plan(&self, _: &Map<String, Value>, _: Asker<'_>) -> Result<Plan, ToolError> {
        Ok(Plan::default())
    }

    /// Runs it. Only the guard calls this, with arguments that passed the input schema and the
    /// plan that it judged; dropping the future cancels the call.
    fn run<'a>(
        &'a self,
        arguments: &'a Map<String, Value>,
        plan: Plan,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ToolAnswer, ToolError>>;

    /// The readable form of an answer, with every fact of `structured`. Any field may be masked,
    /// or missing.
    fn text(&self, structured: &Value) -> String;
}

/// All tools, in the order in which clients see them.
pub struct Registry {
    tools: Vec<Arc<dyn Tool>>,
    workspace: Arc<Workspace>,
}

impl Registry {
    /// The tools of this build, with the files that they may read.
    ///
    /// # Errors
    /// If a definition is broken.
    pub fn new(models: Arc<Models>, workspace: Arc<Workspace>) -> Result<Self, InvalidDefinition> {
        Ok(Self {
            workspace,
            tools: vec![
                Arc::new(Chat::new(Arc::clone(&models))?),
                Arc::new(ListModels::new(models)?),
                Arc::new(Version::new()?),
            ],
        })
    }

    /// The files that the tools may read.
    #[must_use]
    pub fn workspace(&self) -> &Arc<Workspace> {
        &self.workspace
    }

    /// The tools in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.tools.iter()
    }
}

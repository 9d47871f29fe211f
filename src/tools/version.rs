//! `version`: which Keyward this is. It calls no one.

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{InvalidDefinition, Tool, ToolAnswer, ToolDefinition, ToolError};
use crate::{call::CallContext, secrets::providers};

/// The tool.
pub(super) struct Version {
    definition: ToolDefinition,
}

impl Version {
    pub(super) fn new() -> Result<Self, InvalidDefinition> {
        let definition = ToolDefinition::parse(include_str!("definitions/version.json"))?;
        Ok(Self { definition })
    }
}

impl Tool for Version {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn run<'a>(
        &'a self,
        _: Map<String, Value>,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<ToolAnswer, ToolError>> {
        let version = env!("CARGO_PKG_VERSION");
        let text = format!(
            "Keyward {version}; secret providers: {}",
            providers::built_in().join(", ")
        );
        let structured = json!({ "name": "Keyward", "version": version, "secret_providers": providers::built_in() });
        Box::pin(async move { Ok(ToolAnswer { text, structured }) })
    }
}

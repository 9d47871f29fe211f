//! `version`: which Keyward this is. It calls no one.

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{InvalidDefinition, Plan, Tool, ToolAnswer, ToolDefinition, ToolError};
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
        _: &'a Map<String, Value>,
        _: Plan,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<ToolAnswer, ToolError>> {
        let structured = json!({
            "name": "Keyward",
            "version": env!("CARGO_PKG_VERSION"),
            "secret_providers": providers::built_in(),
        });
        Box::pin(async move {
            Ok(ToolAnswer {
                structured,
                by: None,
                spent: None,
            })
        })
    }

    fn text(&self, structured: &Value) -> String {
        let told = |field: &str| structured[field].as_str().unwrap_or("(hidden)");
        let providers = structured["secret_providers"]
            .as_array()
            .into_iter()
            .flatten();
        let providers: Vec<&str> = providers.filter_map(Value::as_str).collect();
        format!(
            "{} {}; secret providers: {}",
            told("name"),
            told("version"),
            providers.join(", ")
        )
    }
}

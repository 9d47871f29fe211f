//! `listmodels`: what `chat` can reach. It fetches nothing.

use std::{fmt::Write as _, sync::Arc};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{InvalidDefinition, Plan, Tool, ToolAnswer, ToolDefinition, ToolError};
use crate::{call::CallContext, models::Models};

/// The tool.
pub(super) struct ListModels {
    definition: ToolDefinition,
    models: Arc<Models>,
}

impl ListModels {
    pub(super) fn new(models: Arc<Models>) -> Result<Self, InvalidDefinition> {
        let definition = ToolDefinition::parse(include_str!("definitions/listmodels.json"))?;
        Ok(Self { definition, models })
    }

    fn answer(&self) -> Result<ToolAnswer, ToolError> {
        let models = serde_json::to_value(self.models.list())
            .map_err(|_| ToolError::Internal("a listing that is not JSON"))?;
        let mut structured = json!({ "models": models });
        if let Ok(default) = self.models.select(None, None, &[]) {
            structured["default_model"] = Value::String(default.model);
        }
        Ok(ToolAnswer {
            structured,
            by: None,
            spent: None,
        })
    }
}

impl Tool for ListModels {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn run<'a>(
        &'a self,
        _: &'a Map<String, Value>,
        _: Plan,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<ToolAnswer, ToolError>> {
        Box::pin(async move { self.answer() })
    }

    fn text(&self, structured: &Value) -> String {
        let mut text = match structured["default_model"].as_str() {
            Some(model) => format!("Default: {model}\n"),
            None => "No model provider has a key; set one, for example OPENAI_API_KEY.\n".into(),
        };
        for listing in structured["models"].as_array().into_iter().flatten() {
            let told = |field: &str| listing[field].as_str().unwrap_or("(hidden)");
            let (model, provider, key) = (told("model"), told("provider"), told("key"));
            // Writing to a string cannot fail.
            let _infallible = write!(text, "{model} via {provider}, key {key}");
            let aliases = listing["aliases"].as_array().into_iter().flatten();
            let aliases: Vec<&str> = aliases.filter_map(Value::as_str).collect();
            if !aliases.is_empty() {
                let _infallible = write!(text, ", also {}", aliases.join(", "));
            }
            if let Some(description) = listing["description"].as_str() {
                let _infallible = write!(text, ": {description}");
            }
            text.push('\n');
        }
        text
    }
}

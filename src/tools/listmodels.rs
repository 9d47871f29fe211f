//! `listmodels`: what `chat` can reach. It fetches nothing.

use std::{fmt::Write as _, sync::Arc};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{InvalidDefinition, Tool, ToolAnswer, ToolDefinition, ToolError};
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
        let listings = self.models.list();
        let default = self
            .models
            .select(None, None)
            .ok()
            .map(|selected| selected.model);
        let mut text = match &default {
            Some(model) => format!("Default: {model}\n"),
            None => "No model provider has a key; set one, for example OPENAI_API_KEY.\n".into(),
        };
        for listing in &listings {
            let (model, provider, key) = (&listing.model, &listing.provider, listing.key);
            // Writing to a string cannot fail.
            let _infallible = write!(text, "{model} via {provider}, key {key}");
            if !listing.aliases.is_empty() {
                let _infallible = write!(text, ", also {}", listing.aliases.join(", "));
            }
            text.push('\n');
        }
        let models = serde_json::to_value(&listings)
            .map_err(|_| ToolError::Internal("a listing that is not JSON"))?;
        let mut structured = json!({ "models": models });
        if let Some(default) = default {
            structured["default_model"] = Value::String(default);
        }
        Ok(ToolAnswer { text, structured })
    }
}

impl Tool for ListModels {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn run<'a>(
        &'a self,
        _: Map<String, Value>,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<ToolAnswer, ToolError>> {
        Box::pin(async move { self.answer() })
    }
}

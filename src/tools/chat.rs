//! `chat`: asks another model.

use std::{fmt::Write as _, sync::Arc};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{InvalidDefinition, Plan, Tool, ToolAnswer, ToolDefinition, ToolError};
use crate::{
    call::{CallContext, CallIdentity},
    models::{CompletionRequest, Models},
};

/// The tool.
pub(super) struct Chat {
    definition: ToolDefinition,
    models: Arc<Models>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    prompt: String,
    /// The plan says which model it stands for.
    #[serde(rename = "model")]
    _model: Option<String>,
    system_prompt: Option<String>,
    temperature: Option<f64>,
    max_output_tokens: Option<u32>,
}

impl Chat {
    pub(super) fn new(models: Arc<Models>) -> Result<Self, InvalidDefinition> {
        let definition = ToolDefinition::parse(include_str!("definitions/chat.json"))?;
        Ok(Self { definition, models })
    }
}

impl Tool for Chat {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn plan(
        &self,
        arguments: &Map<String, Value>,
        identity: &CallIdentity,
    ) -> Result<Plan, ToolError> {
        let name = arguments.get("model").and_then(Value::as_str);
        let selected = self.models.select(name, Some(identity))?;
        Ok(Plan {
            selected: Some(selected),
        })
    }

    fn run<'a>(
        &'a self,
        arguments: &'a Map<String, Value>,
        plan: Plan,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ToolAnswer, ToolError>> {
        Box::pin(async move {
            let arguments = Arguments::deserialize(arguments)
                .map_err(|_| ToolError::Internal("chat's arguments do not fit its schema"))?;
            let selected = plan
                .selected
                .ok_or(ToolError::Internal("chat without a plan"))?;
            let request = CompletionRequest {
                model: selected.model,
                prompt: arguments.prompt,
                system_prompt: arguments.system_prompt,
                temperature: arguments.temperature,
                max_output_tokens: arguments.max_output_tokens,
            };
            let completion = selected.provider.complete(&request, cx).await?;
            let structured = serde_json::to_value(&completion)
                .map_err(|_| ToolError::Internal("a completion that is not JSON"))?;
            Ok(ToolAnswer {
                structured,
                usage: completion.usage,
            })
        })
    }

    fn text(&self, structured: &Value) -> String {
        text(structured)
    }
}

/// Every fact of `structured` that is there.
fn text(structured: &Value) -> String {
    let told = |field: &str| structured[field].as_str();
    let mut facts = Vec::new();
    let model = [
        told("model"),
        told("provider").map(|_| "via"),
        told("provider"),
    ];
    let model: Vec<&str> = model.into_iter().flatten().collect();
    if !model.is_empty() {
        facts.push(model.join(" "));
    }
    let usage = &structured["usage"];
    for (field, words) in [
        ("input_tokens", "tokens in"),
        ("output_tokens", "tokens out"),
    ] {
        if let Some(tokens) = usage[field].as_u64() {
            facts.push(format!("{tokens} {words}"));
        }
    }
    if let Some(reason) = told("finish_reason") {
        facts.push(format!("finish reason: {reason}"));
    }
    let mut text = told("answer").unwrap_or_default().to_owned();
    if !facts.is_empty() {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "\n\n[{}]", facts.join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_carries_every_fact_of_the_structure_and_none_that_was_taken_out() {
        let mut structured = json!({
            "answer": "Four.", "model": "gpt-5", "provider": "openai",
            "usage": { "input_tokens": 11, "output_tokens": 22 }, "finish_reason": "length",
        });
        assert_eq!(
            text(&structured),
            "Four.\n\n[gpt-5 via openai; 11 tokens in; 22 tokens out; finish reason: length]"
        );
        structured.as_object_mut().unwrap().remove("provider");
        structured.as_object_mut().unwrap().remove("usage");
        assert_eq!(text(&structured), "Four.\n\n[gpt-5; finish reason: length]");
        assert_eq!(text(&json!({})), "");
    }
}

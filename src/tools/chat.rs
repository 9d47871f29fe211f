//! `chat`: asks another model.

use std::{fmt::Write as _, sync::Arc};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{InvalidDefinition, Tool, ToolAnswer, ToolDefinition, ToolError};
use crate::{
    call::CallContext,
    models::{Completion, CompletionRequest, Models},
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
    model: Option<String>,
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

    fn run<'a>(
        &'a self,
        arguments: Map<String, Value>,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ToolAnswer, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = serde_json::from_value(Value::Object(arguments))
                .map_err(|_| ToolError::Internal("chat's arguments do not fit its schema"))?;
            let request = CompletionRequest {
                // An empty name stands for the configured default.
                model: arguments.model.unwrap_or_default(),
                prompt: arguments.prompt,
                system_prompt: arguments.system_prompt,
                temperature: arguments.temperature,
                max_output_tokens: arguments.max_output_tokens,
            };
            answer(&self.models.complete(request, cx).await?)
        })
    }
}

fn answer(completion: &Completion) -> Result<ToolAnswer, ToolError> {
    let Completion {
        answer,
        model,
        provider,
        usage,
        finish_reason,
    } = completion;
    let mut text = format!("{answer}\n\n[{model} via {provider}");
    if let Some(usage) = usage {
        let (input, output) = (usage.input_tokens, usage.output_tokens);
        // Writing to a string cannot fail.
        let _infallible = write!(text, "; {input} tokens in, {output} out");
    }
    let _infallible = write!(text, "; finish reason: {finish_reason}]");
    let structured = serde_json::to_value(completion)
        .map_err(|_| ToolError::Internal("a completion that is not JSON"))?;
    Ok(ToolAnswer { text, structured })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Usage;

    #[test]
    fn the_text_carries_every_fact_of_the_structure() {
        let completion = Completion {
            answer: "Four.".into(),
            model: "gpt-5".into(),
            provider: "openai".into(),
            usage: Some(Usage {
                input_tokens: 11,
                output_tokens: 22,
            }),
            finish_reason: "length",
        };
        let answer = answer(&completion).unwrap();
        for fact in ["Four.", "gpt-5", "openai", "11", "22", "length"] {
            assert!(answer.text.contains(fact), "{fact}");
        }
    }
}

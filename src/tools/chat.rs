//! `chat`: asks another model.

use std::{fmt::Write as _, sync::Arc};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    AnsweredBy, Files, InvalidDefinition, Plan, Spent, Tool, ToolAnswer, ToolDefinition, ToolError,
    WantedFile,
};
use crate::{
    call::CallContext,
    models::{
        Ability, Asker, CompletionRequest, Image, ModelError, ModelErrorKind, Models, ThinkingMode,
    },
};

/// The tool.
pub(super) struct Chat {
    definition: ToolDefinition,
    models: Arc<Models>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    prompt: String,
    /// The plan says which model it stands for.
    #[serde(rename = "model")]
    _model: Option<String>,
    system_prompt: Option<String>,
    temperature: Option<f64>,
    thinking_mode: Option<ThinkingMode>,
    // Megabytes each: they are not copied before they are looked at.
    #[serde(borrow, default)]
    images: Vec<&'a str>,
    max_output_tokens: Option<u32>,
    #[serde(default)]
    stop: Vec<String>,
    json_schema: Option<Value>,
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

    fn plan(&self, arguments: &Map<String, Value>, asker: Asker<'_>) -> Result<Plan, ToolError> {
        let name = arguments.get("model").and_then(Value::as_str);
        let shown = arguments.get("images").and_then(Value::as_array);
        let shown = shown.map_or(&[][..], Vec::as_slice);
        let needs: &[Ability] = if shown.is_empty() {
            &[]
        } else {
            &[Ability::Images]
        };
        let paths = shown.iter().enumerate().filter_map(|(index, image)| {
            let path = image.as_str().filter(|text| Image::is_path(text))?;
            Some(WantedFile {
                argument: format!("/images/{index}"),
                path: path.to_owned(),
            })
        });
        let selected = self.models.select(name, Some(asker), needs)?;
        Ok(Plan {
            instead: self.models.instead_of(&selected),
            selected: Some(selected),
            wanted: paths.collect(),
            files: Files::default(),
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
            let images = images(&arguments.images)?;
            let request = CompletionRequest {
                model: selected.model.clone(),
                prompt: arguments.prompt,
                system_prompt: in_language(arguments.system_prompt, self.models.locale()),
                images,
                temperature: arguments.temperature,
                thinking: arguments.thinking_mode,
                max_output_tokens: arguments.max_output_tokens,
                stop: arguments.stop,
                json_schema: arguments.json_schema,
            };
            let completion = selected.complete(&plan.instead, request, cx).await?;
            let structured = serde_json::to_value(&completion)
                .map_err(|_| ToolError::Internal("a completion that is not JSON"))?;
            Ok(ToolAnswer {
                structured,
                by: Some(AnsweredBy {
                    model: completion.model,
                    provider: completion.provider,
                    instead_of: completion.instead_of,
                }),
                spent: completion.usage.map(|usage| Spent {
                    usage,
                    cost: completion.cost,
                }),
            })
        })
    }

    fn text(&self, structured: &Value) -> String {
        text(structured)
    }
}

/// The instructions, with the wish for a language.
fn in_language(instructions: Option<String>, locale: Option<&str>) -> Option<String> {
    let Some(locale) = locale else {
        return instructions;
    };
    let wish = format!("Answer in the language of the locale `{locale}`.");
    Some(match instructions {
        Some(instructions) => format!("{instructions}\n\n{wish}"),
        None => wish,
    })
}

fn images(texts: &[&str]) -> Result<Vec<Image>, ModelError> {
    let parsed: Result<_, _> = texts.iter().map(|text| Image::parse(text)).collect();
    parsed.map_err(|why| {
        ModelError::new(ModelErrorKind::InvalidArgument {
            argument: Some("images"),
            reason: Some(why.to_string()),
        })
    })
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
    for passed in structured["instead_of"].as_array().into_iter().flatten() {
        if let (Some(model), Some(because)) = (passed["model"].as_str(), passed["because"].as_str())
        {
            facts.push(match because {
                "hedged" => format!("{model} was asked twice (hedged)"),
                because => format!("instead of {model}: {because}"),
            });
        }
    }
    let usage = &structured["usage"];
    for (field, words) in [
        ("input_tokens", "tokens in"),
        ("cached_input_tokens", "of them cached"),
        ("output_tokens", "tokens out"),
        ("reasoning_tokens", "of them thinking"),
    ] {
        if let Some(tokens) = usage[field].as_u64() {
            facts.push(format!("{tokens} {words}"));
        }
    }
    if usage["estimated"].as_bool() == Some(true) {
        facts.push("by estimate".to_owned());
    }
    if let Some(cost) = structured["cost_usd"].as_f64() {
        facts.push(format!("{cost:.6} USD"));
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

//! The body of a request. What was not given is left out. The model stands in the address.

use serde::Serialize;
use serde_json::{Value, json};

use crate::models::{Image, Level, ModelErrorKind, Thinking, providers::http::Asked};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    messages: [Message<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<[Block<'a>; 1]>,
    #[serde(skip_serializing_if = "Inference::is_empty")]
    inference_config: Inference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_request_fields: Option<Value>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Block<'a> {
    Text(&'a str),
    Image {
        format: &'static str,
        source: Source<'a>,
    },
}

#[derive(Serialize)]
struct Source<'a> {
    bytes: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
}

impl Inference<'_> {
    fn is_empty(&self) -> bool {
        self.max_tokens.is_none() && self.temperature.is_none() && self.stop_sequences.is_empty()
    }
}

fn refuse(argument: &'static str, reason: &str) -> ModelErrorKind {
    ModelErrorKind::InvalidArgument {
        argument: Some(argument),
        reason: Some(reason.to_owned()),
    }
}

pub(super) fn body(asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
    let request = asked.request;
    if request.json_schema.is_some() {
        return Err(refuse("json_schema", "this protocol cannot ask for it yet"));
    }
    if request.temperature.is_some_and(|asked| asked > 1.0) {
        return Err(refuse("temperature", "this service takes 0 to 1"));
    }
    let mut content = Vec::with_capacity(1 + request.images.len());
    for image in &request.images {
        let Image::Inline { kind, base64 } = image else {
            let reason = "this service fetches no address; give the image as a data URL";
            return Err(refuse("images", reason));
        };
        content.push(Block::Image {
            format: kind.label(),
            source: Source { bytes: base64 },
        });
    }
    content.push(Block::Text(&request.prompt));
    let body = Body {
        messages: [Message {
            role: "user",
            content,
        }],
        system: request
            .system_prompt
            .as_deref()
            .map(|text| [Block::Text(text)]),
        inference_config: Inference {
            max_tokens: max_tokens(asked),
            temperature: request.temperature,
            stop_sequences: &request.stop,
        },
        additional_model_request_fields: thinking(asked)?,
    };
    serde_json::to_vec(&body).map_err(|_| ModelErrorKind::Malformed)
}

/// A budget to think lies within the limit of the answer, so that one must be said.
fn max_tokens(asked: &Asked<'_>) -> Option<u32> {
    let is_budgeted =
        asked.request.thinking.is_some() && matches!(asked.model.thinking, Thinking::Budget(_));
    let known = asked.model.max_output_tokens.filter(|_| is_budgeted);
    asked.request.max_output_tokens.or(known)
}

/// How this model is asked to think: in its maker's own fields.
fn thinking(asked: &Asked<'_>) -> Result<Option<Value>, ModelErrorKind> {
    let Some(mode) = asked.request.thinking else {
        return Ok(None);
    };
    let adaptive = |level: Level| json!({ "thinking": { "type": "adaptive" }, "output_config": { "effort": level.label() } });
    Ok(match &asked.model.thinking {
        Thinking::Budget(budget) => {
            let most = max_tokens(asked).unwrap_or(u32::MAX).saturating_sub(1);
            if most < budget.min_tokens {
                return Err(refuse(
                    "max_output_tokens",
                    "it leaves no room to think; raise it, or leave out `thinking_mode`",
                ));
            }
            let tokens = mode.tokens(budget).min(most);
            Some(json!({ "thinking": { "type": "enabled", "budget_tokens": tokens } }))
        }
        Thinking::Adaptive(levels) => mode.nearest(&levels.levels).map(adaptive),
        Thinking::Effort(levels) | Thinking::Level(levels) => mode
            .nearest(&levels.levels)
            .map(|level| json!({ "reasoning_effort": level.label() })),
        Thinking::Unknown => {
            return Err(refuse(
                "thinking_mode",
                "nobody said how this model is asked to think; leave it out, or state it under \
                 `models`",
            ));
        }
        Thinking::Never | Thinking::Always => None,
    })
}

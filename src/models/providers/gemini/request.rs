//! The body of a request. What was not given is left out.

use serde::Serialize;
use serde_json::Value;

use crate::models::{Image, Level, ModelErrorKind, Thinking, providers::http::Asked};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    contents: [Content<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<System<'a>>,
    #[serde(skip_serializing_if = "Generation::is_empty")]
    generation_config: Generation<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    role: &'static str,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct System<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Part<'a> {
    Text(&'a str),
    InlineData(InlineData<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InlineData<'a> {
    mime_type: &'static str,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Generation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

/// One of both: the vendor refuses a budget beside a level.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ThinkingConfig {
    ThinkingBudget(u32),
    ThinkingLevel(String),
}

impl Generation<'_> {
    fn is_empty(&self) -> bool {
        self.temperature.is_none()
            && self.max_output_tokens.is_none()
            && self.stop_sequences.is_empty()
            && self.response_json_schema.is_none()
            && self.thinking_config.is_none()
    }
}

pub(in crate::models::providers) fn body(asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
    let request = asked.request;
    let mut parts = Vec::with_capacity(1 + request.images.len());
    for image in &request.images {
        match image {
            Image::Inline { kind, base64 } => parts.push(Part::InlineData(InlineData {
                mime_type: kind.media_type(),
                data: base64,
            })),
            // The vendor takes addresses of its own stores alone.
            Image::Address(_) => {
                return Err(ModelErrorKind::InvalidArgument {
                    argument: Some("images"),
                    reason: Some(
                        "this vendor fetches no address; give the image as a data URL".to_owned(),
                    ),
                });
            }
        }
    }
    parts.push(Part::Text(&request.prompt));
    let json_schema = request.json_schema.as_ref();
    let body = Body {
        contents: [Content {
            role: "user",
            parts,
        }],
        system_instruction: request.system_prompt.as_deref().map(|text| System {
            parts: [Part::Text(text)],
        }),
        generation_config: Generation {
            temperature: request.temperature,
            max_output_tokens: request.max_output_tokens,
            stop_sequences: &request.stop,
            response_mime_type: json_schema.map(|_| "application/json"),
            response_json_schema: json_schema,
            thinking_config: thinking(asked),
        },
    };
    serde_json::to_vec(&body).map_err(|_| ModelErrorKind::Malformed)
}

/// How this model is asked to think: the older ones by a budget, the newer by a level.
fn thinking(asked: &Asked<'_>) -> Option<ThinkingConfig> {
    let mode = asked.request.thinking?;
    let level = |level: Level| ThinkingConfig::ThinkingLevel(level.label().to_ascii_uppercase());
    match &asked.model.thinking {
        Thinking::Budget(budget) => Some(ThinkingConfig::ThinkingBudget(mode.tokens(budget))),
        Thinking::Level(levels) | Thinking::Effort(levels) | Thinking::Adaptive(levels) => {
            mode.nearest(&levels.levels).map(level)
        }
        Thinking::Unknown => Some(level(mode.usual())),
        Thinking::Never | Thinking::Always => None,
    }
}

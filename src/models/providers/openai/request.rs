//! What is sent: a body in the server's dialect. What was not given is left out.

use serde::Serialize;
use serde_json::Value;

use crate::models::{
    Image, Level, MaxTokensField, ModelErrorKind, Thinking, providers::http::Asked,
};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Content<'a>,
}

/// One text is sent as such: not every server takes parts.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonSchema { json_schema: JsonSchema<'a> },
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    schema: &'a Value,
}

/// The body of a request
/// (developers.openai.com/api/reference/resources/chat/completions/methods/create).
pub(in crate::models::providers) fn body(asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
    let (request, config) = (asked.request, asked.config);
    let system = request.system_prompt.as_deref().map(|text| Message {
        role: "system",
        content: Content::Text(text),
    });
    let user = Message {
        role: "user",
        content: user(&request.prompt, &request.images),
    };
    let limit = |field| {
        request
            .max_output_tokens
            .filter(|_| config.max_tokens_field == field)
    };
    let body = Body {
        model: &request.model,
        messages: system.into_iter().chain([user]).collect(),
        stream: true,
        stream_options: config.include_usage.then_some(StreamOptions {
            include_usage: true,
        }),
        max_completion_tokens: limit(MaxTokensField::MaxCompletionTokens),
        max_tokens: limit(MaxTokensField::MaxTokens),
        temperature: request.temperature,
        reasoning_effort: effort(asked).map(Level::label),
        stop: &request.stop,
        response_format: request.json_schema.as_ref().map(|schema| {
            let name = "answer";
            ResponseFormat::JsonSchema {
                json_schema: JsonSchema { name, schema },
            }
        }),
    };
    serde_json::to_vec(&body).map_err(|_| ModelErrorKind::Malformed)
}

/// The effort that is asked for, as this model names it.
pub(in crate::models::providers) fn effort(asked: &Asked<'_>) -> Option<Level> {
    let mode = asked.request.thinking?;
    match &asked.model.thinking {
        Thinking::Effort(levels) | Thinking::Level(levels) | Thinking::Adaptive(levels) => {
            mode.nearest(&levels.levels)
        }
        Thinking::Unknown | Thinking::Budget(_) => Some(mode.usual()),
        Thinking::Never | Thinking::Always => None,
    }
}

fn user<'a>(prompt: &'a str, images: &[Image]) -> Content<'a> {
    if images.is_empty() {
        return Content::Text(prompt);
    }
    let text = Part::Text { text: prompt };
    let shown = images.iter().map(|image| Part::ImageUrl {
        image_url: ImageUrl { url: image.url() },
    });
    Content::Parts([text].into_iter().chain(shown).collect())
}

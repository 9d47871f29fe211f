//! The body of a request. What was not given is left out.

use serde::Serialize;
use serde_json::Value;

use crate::models::{
    Image, Level, ModelErrorKind,
    providers::{http::Asked, openai},
};

/// The fewest tokens that may be asked for; fewer are an error of the vendor's.
const MIN_OUTPUT_TOKENS: u32 = 16;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: [Message<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    stream: bool,
    /// The vendor keeps nothing.
    store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    InputText {
        text: &'a str,
    },
    /// A URL as such, where chat/completions wants an object.
    InputImage {
        image_url: String,
        detail: &'static str,
    },
}

#[derive(Serialize)]
struct Reasoning {
    effort: &'static str,
}

#[derive(Serialize)]
struct Text<'a> {
    format: Format<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonSchema {
        name: &'static str,
        schema: &'a Value,
    },
}

pub(super) fn body(asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
    let request = asked.request;
    let refuse = |argument, reason: &str| ModelErrorKind::InvalidArgument {
        argument: Some(argument),
        reason: Some(reason.to_owned()),
    };
    if !request.stop.is_empty() {
        return Err(refuse(
            "stop",
            "the Responses API has none; leave it out, or use a model of another provider",
        ));
    }
    if request
        .max_output_tokens
        .is_some_and(|most| most < MIN_OUTPUT_TOKENS)
    {
        return Err(refuse("max_output_tokens", "this vendor's least is 16"));
    }
    let text = Part::InputText {
        text: &request.prompt,
    };
    let images = request.images.iter().map(|image: &Image| Part::InputImage {
        image_url: image.url(),
        detail: "auto",
    });
    let body = Body {
        model: &request.model,
        input: [Message {
            role: "user",
            content: [text].into_iter().chain(images).collect(),
        }],
        instructions: request.system_prompt.as_deref(),
        stream: true,
        store: false,
        max_output_tokens: request.max_output_tokens,
        temperature: request.temperature,
        reasoning: openai::effort(asked)
            .map(Level::label)
            .map(|effort| Reasoning { effort }),
        text: request.json_schema.as_ref().map(|schema| Text {
            format: Format::JsonSchema {
                name: "answer",
                schema,
            },
        }),
    };
    serde_json::to_vec(&body).map_err(|_| ModelErrorKind::Malformed)
}

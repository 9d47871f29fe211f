//! What is sent: the body in the server's dialect, and the header that carries the key.
//!
//! The header's value is the one copy of the key that this program makes outside the locked
//! pool; it is made last, in one buffer of the exact size, and travels with the request.

use bytes::Bytes;
use reqwest::header::HeaderValue;
use serde::Serialize;

use crate::{
    models::{
        CompletionRequest, MaxTokensField, ModelErrorKind, ModelFacts, ProviderConfig, Temperature,
    },
    secrets::Secret,
};

/// The longest key that is sent: beyond it lies a pasted file, not a key.
const MAX_KEY_BYTES: usize = 4096;

/// Refuses, before any key is fetched, what the model is known not to take.
pub(super) fn check(request: &CompletionRequest, model: &ModelFacts) -> Result<(), ModelErrorKind> {
    let refuse = |argument, reason: String| {
        Err(ModelErrorKind::InvalidArgument {
            argument: Some(argument),
            reason: Some(reason),
        })
    };
    match (request.temperature, model.temperature) {
        (Some(_), Temperature::Fixed) => {
            return refuse(
                "temperature",
                format!("the temperature of `{}` is fixed; leave it out", model.name),
            );
        }
        (Some(asked), Temperature::Free) if !(0.0..=2.0).contains(&asked) => {
            return refuse("temperature", "it is a number from 0 to 2".to_owned());
        }
        _ => {}
    }
    match (request.max_output_tokens, model.max_output_tokens) {
        (Some(0), _) => refuse("max_output_tokens", "it is at least 1".to_owned()),
        (Some(asked), Some(most)) if asked > most => refuse(
            "max_output_tokens",
            format!("`{}` answers with at most {most} tokens", model.name),
        ),
        _ => Ok(()),
    }
}

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
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The body of `request` in the provider's dialect. What was not given is left out.
pub(super) fn body(request: &CompletionRequest, config: &ProviderConfig) -> Option<Vec<u8>> {
    let system = request
        .system_prompt
        .as_deref()
        .map(|content| ("system", content));
    let user = ("user", request.prompt.as_str());
    let limit = |field| {
        request
            .max_output_tokens
            .filter(|_| config.max_tokens_field == field)
    };
    let body = Body {
        model: &request.model,
        messages: system
            .into_iter()
            .chain([user])
            .map(|(role, content)| Message { role, content })
            .collect(),
        stream: true,
        stream_options: config.include_usage.then_some(StreamOptions {
            include_usage: true,
        }),
        max_completion_tokens: limit(MaxTokensField::MaxCompletionTokens),
        max_tokens: limit(MaxTokensField::MaxTokens),
        temperature: request.temperature,
    };
    serde_json::to_vec(&body).ok()
}

/// `Authorization: Bearer …`, marked as sensitive.
pub(super) fn authorization(key: &Secret) -> Result<HeaderValue, ModelErrorKind> {
    const SCHEME: &[u8] = b"Bearer ";
    let value = key.expose(|key| {
        let sendable =
            (1..=MAX_KEY_BYTES).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        sendable.then(|| {
            // Of the exact size: growing would leave a copy behind, and so would shrinking.
            let mut value = Vec::with_capacity(SCHEME.len() + key.len());
            value.extend_from_slice(SCHEME);
            value.extend_from_slice(key);
            value
        })
    });
    let value = value.ok_or(ModelErrorKind::KeyMalformed)?;
    // From `Bytes` without copying.
    let mut header = HeaderValue::from_maybe_shared(Bytes::from(value))
        .map_err(|_| ModelErrorKind::KeyMalformed)?;
    header.set_sensitive(true);
    Ok(header)
}

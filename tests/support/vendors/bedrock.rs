//! Bedrock's ConverseStream
//! (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html).

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{all, stranger};
use crate::support::upstream::{MODEL, Seen};

fn refusal(status: u16, kind: &str, message: &str) -> Response {
    let headers = [
        ("content-type", "application/json"),
        ("x-amzn-errortype", kind),
    ];
    let body = json!({ "message": message }).to_string();
    (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
}

pub(super) fn refuse_key(shown: &str) -> Response {
    let message = format!("Authentication failed: Please make sure your API Key is valid. {shown}");
    refusal(403, "AccessDeniedException", &message)
}

pub(super) fn refuse(seen: &Seen) -> Option<Response> {
    let bad = |message: &str| Some(refusal(400, "ValidationException", message));
    if seen.path != format!("/model/{MODEL}/converse-stream") {
        return bad("The provided model identifier is invalid.");
    }
    let known = [
        "messages",
        "system",
        "inferenceConfig",
        "additionalModelRequestFields",
    ];
    if stranger(&seen.body, &known).is_some() {
        return bad("extraneous key is not permitted");
    }
    let is_block = |block: &Value| {
        let image = &block["image"];
        let is_image = image["format"].is_string() && image["source"]["bytes"].is_string();
        block["text"].is_string() || is_image
    };
    let is_message =
        |message: &Value| message["role"] == "user" && all(&message["content"], is_block);
    if !all(&seen.body["messages"], is_message) {
        return bad("A conversation must start with a user message.");
    }
    if seen.body.get("inferenceConfig").is_some_and(|config| {
        stranger(config, &["maxTokens", "temperature", "stopSequences"]).is_some()
    }) {
        return bad("unknown inference parameter");
    }
    None
}

pub(super) fn answer(text: &str) -> Response {
    let mut frames = Vec::new();
    let mut event = |name: &'static str, payload: Value| {
        let header = |name: &'static str, value: &'static str| {
            Header::new(name, HeaderValue::String(value.into()))
        };
        let message = Message::new(payload.to_string())
            .add_header(header(":message-type", "event"))
            .add_header(header(":event-type", name))
            .add_header(header(":content-type", "application/json"));
        write_message_to(&message, &mut frames).unwrap();
    };
    event("messageStart", json!({ "role": "assistant", "p": "abc" }));
    for word in text.split_inclusive(' ') {
        event(
            "contentBlockDelta",
            json!({ "contentBlockIndex": 0, "delta": { "text": word }, "p": "a" }),
        );
    }
    event("contentBlockStop", json!({ "contentBlockIndex": 0 }));
    event("messageStop", json!({ "stopReason": "end_turn" }));
    event(
        "metadata",
        json!({
            "usage": { "inputTokens": 5, "outputTokens": 5, "totalTokens": 12, "cacheReadInputTokens": 2 },
            "metrics": { "latencyMs": 1 },
        }),
    );
    let framed = [(header::CONTENT_TYPE, "application/vnd.amazon.eventstream")];
    (framed, Body::from(frames)).into_response()
}

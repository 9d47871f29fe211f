//! Anthropic's Messages (platform.claude.com/docs/en/api/messages).

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{all, stranger};
use crate::support::upstream::{MODEL, Seen, event_stream, json_answer};

fn refusal(status: u16, kind: &str, message: &str) -> Response {
    let error = json!({
        "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_1",
    });
    json_answer(StatusCode::from_u16(status).unwrap(), &error)
}

pub(super) fn refuse_key(shown: &str) -> Response {
    refusal(
        401,
        "authentication_error",
        &format!("invalid x-api-key: {shown}"),
    )
}

pub(super) fn refuse(seen: &Seen) -> Option<Response> {
    let bad = |message: String| Some(refusal(400, "invalid_request_error", &message));
    if seen.path != "/v1/messages" {
        return Some(refusal(404, "not_found_error", "Not Found"));
    }
    if seen.headers.get("anthropic-version").map(String::as_str) != Some("2023-06-01") {
        return bad("anthropic-version: header is required".to_owned());
    }
    let body = &seen.body;
    let known = [
        "model",
        "max_tokens",
        "system",
        "messages",
        "stream",
        "temperature",
        "stop_sequences",
        "thinking",
        "output_config",
    ];
    if let Some(field) = stranger(body, &known) {
        return bad(format!("{field}: Extra inputs are not permitted"));
    }
    if body["model"] != MODEL {
        return Some(refusal(
            404,
            "not_found_error",
            &format!("model: {}", body["model"]),
        ));
    }
    let Some(max_tokens) = body["max_tokens"].as_u64().filter(|most| *most > 0) else {
        return bad("max_tokens: Field required".to_owned());
    };
    let is_block = |block: &Value| match block["type"].as_str() {
        Some("text") => {
            block["text"].as_str().is_some_and(|text| !text.is_empty())
                && stranger(block, &["type", "text", "cache_control"]).is_none()
        }
        Some("image") => match block["source"]["type"].as_str() {
            Some("base64") => {
                block["source"]["data"].is_string()
                    && block["source"]["media_type"]
                        .as_str()
                        .is_some_and(|kind| kind.starts_with("image/"))
            }
            Some("url") => block["source"]["url"].is_string(),
            _ => false,
        },
        _ => false,
    };
    let is_message =
        |message: &Value| message["role"] == "user" && all(&message["content"], is_block);
    if !all(&body["messages"], is_message) {
        return bad("messages: Input should be a valid list".to_owned());
    }
    if let Some(thinking) = body.get("thinking") {
        let budget = thinking["budget_tokens"].as_u64();
        let is_right = match thinking["type"].as_str() {
            Some("enabled") => budget.is_some_and(|budget| (1024..max_tokens).contains(&budget)),
            Some("adaptive") => budget.is_none(),
            _ => false,
        };
        if !is_right {
            return bad("thinking: Input should be valid".to_owned());
        }
        if body
            .get("temperature")
            .is_some_and(|asked| asked.as_f64() != Some(1.0))
        {
            return bad("`temperature` may only be set to 1 when thinking is enabled.".to_owned());
        }
    }
    if body.get("temperature").is_some_and(|asked| {
        asked
            .as_f64()
            .is_none_or(|asked| !(0.0..=1.0).contains(&asked))
    }) {
        return bad("temperature: range: 0..1".to_owned());
    }
    None
}

pub(super) fn answer(text: &str) -> Response {
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    let mut stream = event(json!({ "type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 1 },
    } }));
    stream += &event(json!({ "type": "ping" }));
    stream += &event(
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
    );
    for word in text.split_inclusive(' ') {
        stream += &event(
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": word } }),
        );
    }
    stream += &event(json!({ "type": "content_block_stop", "index": 0 }));
    stream += &event(json!({
        "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
        "usage": { "output_tokens": 5, "output_tokens_details": { "thinking_tokens": 3 } },
    }));
    stream += &event(json!({ "type": "message_stop" }));
    event_stream(&stream)
}

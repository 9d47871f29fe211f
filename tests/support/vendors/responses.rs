//! OpenAI's Responses (developers.openai.com/api/reference/resources/responses).

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{all, stranger};
use crate::support::upstream::{MODEL, Seen, event_stream, json_answer};

fn refusal(status: u16, code: &str, param: Option<&str>, message: &str) -> Response {
    let error = json!({ "error": {
        "message": message, "type": "invalid_request_error", "param": param, "code": code,
    } });
    json_answer(StatusCode::from_u16(status).unwrap(), &error)
}

pub(super) fn refuse_key(shown: &str) -> Response {
    refusal(
        401,
        "invalid_api_key",
        None,
        &format!("Incorrect API key provided: {shown}."),
    )
}

pub(super) fn refuse(seen: &Seen) -> Option<Response> {
    let bad = |param: &str| {
        Some(refusal(
            400,
            "invalid_value",
            Some(param),
            &format!("Invalid value: '{param}'."),
        ))
    };
    if seen.path != "/v1/responses" {
        return Some(refusal(404, "not_found", None, "no such path"));
    }
    let body = &seen.body;
    let known = [
        "model",
        "input",
        "instructions",
        "stream",
        "store",
        "max_output_tokens",
        "temperature",
        "reasoning",
        "text",
    ];
    if let Some(field) = stranger(body, &known) {
        let message = format!("Unknown parameter: '{field}'.");
        return Some(refusal(400, "unknown_parameter", Some(field), &message));
    }
    if body["model"] != MODEL {
        return Some(refusal(
            404,
            "model_not_found",
            Some("model"),
            "The model does not exist.",
        ));
    }
    let is_part = |part: &Value| match part["type"].as_str() {
        Some("input_text") => {
            part["text"].is_string() && stranger(part, &["type", "text"]).is_none()
        }
        Some("input_image") => {
            part["image_url"].is_string()
                && stranger(part, &["type", "image_url", "detail"]).is_none()
        }
        _ => false,
    };
    let is_item = |item: &Value| {
        let is_known = stranger(item, &["type", "role", "content"]).is_none();
        is_known && item["role"] == "user" && all(&item["content"], is_part)
    };
    if !all(&body["input"], is_item) {
        return bad("input");
    }
    if body["store"] != false {
        return bad("store");
    }
    if body
        .get("max_output_tokens")
        .is_some_and(|most| most.as_u64().is_none_or(|most| most < 16))
    {
        return Some(refusal(
            400,
            "integer_below_min_value",
            Some("max_output_tokens"),
            "too few",
        ));
    }
    let efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
    let effort = body
        .get("reasoning")
        .map(|reasoning| reasoning["effort"].as_str());
    if effort.is_some_and(|effort| effort.is_none_or(|effort| !efforts.contains(&effort))) {
        return bad("reasoning.effort");
    }
    None
}

pub(super) fn answer(text: &str) -> Response {
    let mut number = 0;
    let mut event = |mut data: Value| {
        data["sequence_number"] = number.into();
        number += 1;
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    let response = |status: &str, usage: Value| {
        json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": null,
            "incomplete_details": null, "model": MODEL, "output": [], "usage": usage,
        })
    };
    let mut stream = event(
        json!({ "type": "response.created", "response": response("in_progress", Value::Null) }),
    );
    stream += &event(
        json!({ "type": "response.in_progress", "response": response("in_progress", Value::Null) }),
    );
    stream += &event(
        json!({ "type": "response.output_item.added", "output_index": 0, "item": { "type": "message", "content": [] } }),
    );
    for word in text.split_inclusive(' ') {
        stream += &event(json!({
            "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": word, "logprobs": [], "obfuscation": "abc",
        }));
    }
    stream += &event(json!({ "type": "response.output_text.done", "text": text }));
    let usage = json!({
        "input_tokens": 7, "input_tokens_details": { "cached_tokens": 2 }, "output_tokens": 5,
        "output_tokens_details": { "reasoning_tokens": 3 }, "total_tokens": 12,
    });
    stream +=
        &event(json!({ "type": "response.completed", "response": response("completed", usage) }));
    event_stream(&stream)
}

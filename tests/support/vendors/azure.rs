//! Azure OpenAI by deployment, and DIAL, which took its form over
//! (learn.microsoft.com/azure/ai-foundry/openai/reference, docs of epam/ai-dial-core).

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{all, stranger};
use crate::support::upstream::{MODEL, Seen, event_stream, json_answer};

fn refusal(status: u16, code: &str, message: &str) -> Response {
    let error = json!({ "error": { "code": code, "message": message } });
    json_answer(StatusCode::from_u16(status).unwrap(), &error)
}

pub(super) fn refuse_key(shown: &str) -> Response {
    refusal(
        401,
        "401",
        &format!("Access denied due to invalid subscription key {shown}."),
    )
}

/// DIAL's own refusals are plain text.
pub(super) fn refuse_dial_key(shown: &str) -> Response {
    (StatusCode::UNAUTHORIZED, format!("Unknown api key {shown}")).into_response()
}

pub(super) fn refuse(seen: &Seen, api_version: &str) -> Option<Response> {
    let rest = seen.path.strip_prefix("/openai/deployments/");
    let Some((deployment, "chat/completions")) = rest.and_then(|rest| rest.split_once('/')) else {
        return Some(refusal(404, "404", "Resource not found"));
    };
    if seen.query.as_deref() != Some(&format!("api-version={api_version}")) {
        return Some(refusal(404, "404", "Resource not found"));
    }
    if deployment != MODEL {
        let message = "The API deployment for this resource does not exist.";
        return Some(refusal(404, "DeploymentNotFound", message));
    }
    let known = [
        "model",
        "messages",
        "stream",
        "stream_options",
        "temperature",
        "max_completion_tokens",
        "max_tokens",
        "reasoning_effort",
        "stop",
        "response_format",
    ];
    if let Some(field) = stranger(&seen.body, &known) {
        let message = format!("Unrecognized request argument supplied: {field}");
        return Some(refusal(400, "invalid_request_error", &message));
    }
    let both = ["max_tokens", "max_completion_tokens"]
        .iter()
        .all(|field| seen.body.get(field).is_some());
    let is_message = |message: &Value| {
        ["system", "user", "assistant"].contains(&message["role"].as_str().unwrap_or_default())
            && !message["content"].is_null()
    };
    if both || !all(&seen.body["messages"], is_message) {
        return Some(refusal(400, "invalid_request_error", "Invalid request"));
    }
    None
}

pub(super) fn answer(text: &str) -> Response {
    let filtered = json!({ "hate": { "filtered": false, "severity": "safe" } });
    let mut stream = format!(
        "data: {}\n\n",
        json!({
            "choices": [], "created": 0, "id": "", "model": "", "object": "",
            "prompt_filter_results": [{ "prompt_index": 0, "content_filter_results": filtered }],
        })
    );
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt",
            "choices": choices, "usage": usage, "obfuscation": "abc",
        });
        format!("data: {chunk}\n\n")
    };
    for word in text.split_inclusive(' ') {
        let choice = json!({
            "index": 0, "content_filter_results": {}, "delta": { "content": word },
            "finish_reason": null,
        });
        stream += &chunk(json!([choice]), Value::Null);
    }
    let end =
        json!({ "index": 0, "content_filter_results": {}, "delta": {}, "finish_reason": "stop" });
    stream += &chunk(json!([end]), Value::Null);
    let usage = json!({
        "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12,
        "prompt_tokens_details": { "cached_tokens": 2 },
        "completion_tokens_details": { "reasoning_tokens": 3 },
    });
    stream += &chunk(json!([]), usage);
    event_stream(&(stream + "data: [DONE]\n\n"))
}

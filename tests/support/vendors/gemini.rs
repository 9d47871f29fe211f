//! Google's generateContent, at the Gemini API and at Vertex AI
//! (ai.google.dev/api/generate-content, docs.cloud.google.com/vertex-ai).

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{all, stranger};
use crate::support::upstream::{MODEL, Seen, event_stream, json_answer};

/// What stands before a model's name.
pub(super) const API: &str = "/v1beta/models/";
pub(super) const VERTEX: &str = "/v1/projects/team-a/locations/global/publishers/google/models/";

fn refusal(code: u16, status: &str, message: &str, details: Value) -> Response {
    let error = json!({ "error": {
        "code": code, "message": message, "status": status, "details": details,
    } });
    json_answer(StatusCode::from_u16(code).unwrap(), &error)
}

pub(super) fn refuse_key(shown: &str) -> Response {
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
        "domain": "googleapis.com", "metadata": { "key": shown },
    }]);
    refusal(
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        details,
    )
}

pub(super) fn refuse_token(shown: &str) -> Response {
    let message = format!("Request had invalid authentication credentials: {shown}");
    refusal(401, "UNAUTHENTICATED", &message, json!([]))
}

pub(super) fn refuse(seen: &Seen, before: &str) -> Option<Response> {
    let bad = |message: String| Some(refusal(400, "INVALID_ARGUMENT", &message, json!([])));
    let unknown = |field: &str| {
        bad(format!(
            "Invalid JSON payload received. Unknown name \"{field}\": Cannot find field."
        ))
    };
    let rest = seen.path.strip_prefix(before);
    let Some((model, method)) = rest.and_then(|rest| rest.split_once(':')) else {
        return Some(refusal(404, "NOT_FOUND", "no such path", json!([])));
    };
    if method != "streamGenerateContent" || seen.query.as_deref() != Some("alt=sse") {
        return Some(refusal(404, "NOT_FOUND", "no such method", json!([])));
    }
    if model != MODEL {
        let message = format!("models/{model} is not found for API version v1beta");
        return Some(refusal(404, "NOT_FOUND", &message, json!([])));
    }
    let body = &seen.body;
    if let Some(field) = stranger(body, &["contents", "systemInstruction", "generationConfig"]) {
        return unknown(field);
    }
    let is_part = |part: &Value| {
        let is_text = part["text"].is_string();
        let data = &part["inlineData"];
        let is_data = data["mimeType"].is_string() && data["data"].is_string();
        stranger(part, &["text", "inlineData"]).is_none() && (is_text || is_data)
    };
    let is_content = |content: &Value| {
        ["user", "model"].contains(&content["role"].as_str().unwrap_or_default())
            && all(&content["parts"], is_part)
    };
    if !all(&body["contents"], is_content) {
        return bad("Please use a valid role: user, model.".to_owned());
    }
    if let Some(config) = body.get("generationConfig") {
        let known = [
            "temperature",
            "maxOutputTokens",
            "stopSequences",
            "responseMimeType",
            "responseJsonSchema",
            "thinkingConfig",
        ];
        if let Some(field) = stranger(config, &known) {
            return unknown(field);
        }
        let thinking = &config["thinkingConfig"];
        if thinking.get("thinkingBudget").is_some() && thinking.get("thinkingLevel").is_some() {
            return bad(
                "You can only set only one of thinking budget and thinking level.".to_owned(),
            );
        }
        let levels = ["MINIMAL", "LOW", "MEDIUM", "HIGH"];
        if thinking
            .get("thinkingLevel")
            .is_some_and(|level| level.as_str().is_none_or(|level| !levels.contains(&level)))
        {
            return bad("Thinking level is not supported for this model.".to_owned());
        }
    }
    None
}

pub(super) fn answer(text: &str) -> Response {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let mut stream = String::new();
    for (number, word) in words.iter().enumerate() {
        let mut chunk = json!({
            "candidates": [{
                "content": { "parts": [{ "text": word }], "role": "model" }, "index": 0,
            }],
            "usageMetadata": {
                "promptTokenCount": 7, "cachedContentTokenCount": 2, "candidatesTokenCount": 2,
                "thoughtsTokenCount": 3, "totalTokenCount": 12,
            },
            "modelVersion": MODEL, "responseId": "r",
        });
        if number + 1 == words.len() {
            chunk["candidates"][0]["finishReason"] = "STOP".into();
        }
        stream += &format!("data: {chunk}\r\n\r\n");
    }
    event_stream(&stream)
}

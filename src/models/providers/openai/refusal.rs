//! From a vendor's error to ours.
//!
//! What a vendor wrote is read here to choose among our kinds, and dropped: it may quote the key.
//! Only numbers that stand in a known place of a known sentence are carried over.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::models::{
    ModelErrorKind,
    providers::http::{Refused, number_after},
};

/// The kind of a refused request.
pub(in crate::models::providers) fn kind(refused: &Refused<'_>) -> ModelErrorKind {
    // These say what they mean whatever the body says.
    if let Some(kind) = refused.by_status() {
        return kind;
    }
    let told = refused.json().as_ref().and_then(Told::find);
    let known = told
        .as_ref()
        .and_then(|told| told.kind(refused.retry_after()));
    if let Some(kind) = known {
        return kind;
    }
    if refused.status == StatusCode::NOT_FOUND && told.is_some_and(|told| told.mentions(&["model"]))
    {
        return ModelErrorKind::NoSuchModel;
    }
    refused.by_default()
}

/// The kind of an error that came inside an answer which had begun well.
pub(in crate::models::providers) fn kind_in_answer(body: &Value) -> ModelErrorKind {
    let down = ModelErrorKind::UpstreamDown {
        retry_after: None,
        cause: None,
    };
    let told = Told::find(body);
    told.and_then(|told| told.kind(None)).unwrap_or(down)
}

/// What a vendor told, in the shapes that OpenAI, Gemini, xAI, Mistral and the local servers use.
/// It never leaves this file.
struct Told {
    /// `code`, `type` and `status`, in lower case.
    labels: Vec<String>,
    /// The argument that is meant.
    param: Option<String>,
    /// The message, in lower case.
    message: String,
}

impl Told {
    fn find(body: &Value) -> Option<Self> {
        // Gemini wraps its error in an array.
        let body = body
            .as_array()
            .map_or(body, |items| items.first().unwrap_or(body));
        let error = match body.get("error") {
            Some(error @ Value::Object(_)) => error,
            // xAI: `{"code": …, "error": "…"}`; Mistral: `{"object": "error", "message": …}`.
            Some(Value::String(_)) => body,
            _ if body.get("message").is_some() || body.get("detail").is_some() => body,
            _ => return None,
        };
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        let lower = |text: &str| text.to_ascii_lowercase();
        Some(Self {
            labels: ["code", "type", "status"]
                .into_iter()
                .filter_map(|key| match error.get(key)? {
                    Value::String(text) => Some(lower(text)),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
                .collect(),
            param: text("param").map(lower),
            message: text("message")
                .or_else(|| text("error"))
                .map(lower)
                .unwrap_or_default(),
        })
    }

    fn kind(&self, retry_after: Option<Duration>) -> Option<ModelErrorKind> {
        if self.labelled(&[
            "context_length_exceeded",
            "string_above_max_length",
            "exceed_context_size_error",
            "cannot_fit_into_max_prompt_tokens",
        ]) || self.mentions(&[
            "maximum context length",
            "maximum prompt length",
            "context window",
            "too many tokens",
        ]) {
            let limit = number_after(&self.message, "maximum context length is ");
            let given = number_after(&self.message, "resulted in ")
                .or_else(|| number_after(&self.message, "you requested "));
            return Some(ModelErrorKind::ContextTooLong { limit, given });
        }
        if self.labelled(&[
            "insufficient_quota",
            "billing_hard_limit_reached",
            "credit_balance_exhausted",
            "402",
        ]) {
            return Some(ModelErrorKind::QuotaExceeded);
        }
        if self.labelled(&[
            "rate_limit_exceeded",
            "resource_exhausted",
            "rate_limited",
            "ratelimitreached",
            "429",
        ]) {
            return Some(ModelErrorKind::RateLimited { retry_after });
        }
        // Gemini and xAI answer 400 to a wrong key.
        if self.labelled(&["invalid_api_key", "api_key_invalid", "unauthenticated"])
            || (self.mentions(&["api key"])
                && self.mentions(&["not valid", "invalid", "incorrect", "expired"]))
        {
            return Some(ModelErrorKind::BadKey);
        }
        if self.labelled(&["model_not_found", "deploymentnotfound", "invalid_model"])
            || (self.mentions(&["model"])
                && self.mentions(&[
                    "does not exist",
                    "not found",
                    "invalid model",
                    "not a valid model",
                    "supported api model names",
                ]))
        {
            return Some(ModelErrorKind::NoSuchModel);
        }
        if self.labelled(&[
            "content_filter",
            "content_policy_violation",
            "invalid_prompt",
            "responsibleaipolicyviolation",
        ]) {
            return Some(ModelErrorKind::ContentFiltered);
        }
        if self.labelled(&["permission_denied", "insufficient_permissions"]) {
            return Some(ModelErrorKind::NotPermitted);
        }
        let argument = match self.param.as_deref() {
            Some("temperature") => Some("temperature"),
            Some("max_tokens" | "max_completion_tokens" | "max_output_tokens") => {
                Some("max_output_tokens")
            }
            Some("model") => Some("model"),
            Some("reasoning_effort" | "reasoning.effort" | "reasoning") => Some("thinking_mode"),
            Some("stop") => Some("stop"),
            Some("messages" | "input") => Some("prompt"),
            Some(format) if format.starts_with("response_format") => Some("json_schema"),
            Some(format) if format.starts_with("text.format") => Some("json_schema"),
            // xAI names the field in the sentence alone.
            _ if self.mentions(&["parameter reasoningeffort"]) => Some("thinking_mode"),
            _ if self.mentions(&["not supported on this model: stop"]) => Some("stop"),
            _ => None,
        }?;
        Some(ModelErrorKind::InvalidArgument {
            argument: Some(argument),
            reason: None,
        })
    }

    fn labelled(&self, labels: &[&str]) -> bool {
        self.labels.iter().any(|own| labels.contains(&own.as_str()))
    }

    fn mentions(&self, parts: &[&str]) -> bool {
        parts.iter().any(|part| self.message.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn code_of(status: u16, body: &str) -> &'static str {
        let kind = kind(&Refused {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
        });
        crate::models::ModelError::new(kind).code()
    }

    #[test]
    fn each_vendors_shape_is_understood() {
        for (status, body, code) in [
            (401, "", "bad_key"),
            (
                400,
                r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
                "bad_key",
            ),
            (
                400,
                r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***"}"#,
                "bad_key",
            ),
            (403, "{}", "not_permitted"),
            (402, "{}", "quota_exceeded"),
            (
                404,
                r#"{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
                "no_such_model",
            ),
            (
                404,
                r#"{"error":{"message":"model 'x' not found","type":"api_error"}}"#,
                "no_such_model",
            ),
            (404, "<html>not found</html>", "no_such_endpoint"),
            (405, "", "no_such_endpoint"),
            (
                429,
                r#"{"error":{"message":"…","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                "quota_exceeded",
            ),
            (
                429,
                r#"{"error":{"message":"…","code":"rate_limit_exceeded"}}"#,
                "rate_limited",
            ),
            (429, "", "rate_limited"),
            (
                400,
                r#"{"error":{"message":"…","code":"content_filter"}}"#,
                "content_filtered",
            ),
            (
                400,
                r#"{"error":{"message":"…","param":"temperature","code":"unsupported_value"}}"#,
                "invalid_argument",
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 4096 tokens."}"#,
                "context_too_long",
            ),
            (422, r#"{"detail":[{"msg":"extra"}]}"#, "invalid_argument"),
            (
                400,
                r#"{"code":"invalid-argument","error":"Model grok-x does not support parameter reasoningEffort."}"#,
                "invalid_argument",
            ),
            (
                400,
                r#"{"error":{"message":"some/x is not a valid model ID","code":400}}"#,
                "no_such_model",
            ),
            (
                400,
                r#"{"error":{"message":"The supported API model names are a, b.","type":"invalid_request_error"}}"#,
                "no_such_model",
            ),
            (
                402,
                r#"{"error":{"message":"Insufficient Balance","type":"unknown_error"}}"#,
                "quota_exceeded",
            ),
            (
                404,
                r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
                "no_such_model",
            ),
            (
                400,
                r#"{"error":{"message":"…","type":null,"param":"prompt","code":"content_filter","status":400}}"#,
                "content_filtered",
            ),
            (
                400,
                r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}"#,
                "no_such_model",
            ),
            (
                500,
                r#"{"error":{"message":"API key invalid"}}"#,
                "upstream_down",
            ),
            (503, "", "upstream_down"),
            (529, "", "upstream_down"),
            (418, "", "invalid_argument"),
        ] {
            assert_eq!(code_of(status, body), code, "{status} {body}");
        }
    }
}

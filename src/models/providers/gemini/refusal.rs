//! From Google's error to ours (ai.google.dev/gemini-api/docs/troubleshooting, and google.rpc).

use std::time::Duration;

use serde_json::Value;

use crate::models::{
    ModelErrorKind,
    providers::http::{Refused, number_after},
};

/// The longest wait that is passed on.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The kind of a refused request.
pub(in crate::models::providers) fn kind(refused: &Refused<'_>) -> ModelErrorKind {
    let body = refused.json().unwrap_or_default();
    let told = Told::of(&body);
    let wait = told.retry_after.or(refused.retry_after());
    match told.kind(wait) {
        // A status says enough where it is the server's own fault.
        Some(ModelErrorKind::InvalidArgument { argument: None, .. }) | None => {
            refused.by_status().unwrap_or_else(|| refused.by_default())
        }
        Some(kind) => kind,
    }
}

/// The kind of an error that came inside an answer which had begun well.
pub(super) fn kind_in_answer(body: &Value) -> ModelErrorKind {
    let told = Told::of(body);
    told.kind(told.retry_after)
        .unwrap_or(ModelErrorKind::UpstreamDown {
            retry_after: None,
            cause: None,
        })
}

/// What Google told. It never leaves this file.
struct Told {
    status: String,
    /// `reason` of google.rpc.ErrorInfo.
    reason: String,
    /// Of google.rpc.RetryInfo.
    retry_after: Option<Duration>,
    /// Whether a limit of a day is used up (google.rpc.QuotaFailure).
    is_daily: bool,
    /// In lower case.
    message: String,
}

impl Told {
    fn of(body: &Value) -> Self {
        // An error stands in an array where no events were asked for.
        let error = &body.get(0).unwrap_or(body)["error"];
        let details = error["details"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let quotas = details
            .iter()
            .flat_map(|detail| detail["violations"].as_array());
        let is_daily = |violation: &Value| text(&violation["quotaId"]).contains("PerDay");
        Self {
            status: text(&error["status"]),
            reason: details
                .iter()
                .map(|detail| text(&detail["reason"]))
                .find(|reason| !reason.is_empty())
                .unwrap_or_default(),
            retry_after: details
                .iter()
                .find_map(|detail| span(detail["retryDelay"].as_str()?)),
            is_daily: quotas.flatten().any(is_daily),
            message: text(&error["message"]).to_ascii_lowercase(),
        }
    }

    fn kind(&self, retry_after: Option<Duration>) -> Option<ModelErrorKind> {
        let message = self.message.as_str();
        let is_key = matches!(
            self.reason.as_str(),
            "API_KEY_INVALID"
                | "API_KEY_EXPIRED"
                | "ACCESS_TOKEN_EXPIRED"
                | "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        );
        Some(match self.status.as_str() {
            _ if is_key || message.contains("reported as leaked") => ModelErrorKind::BadKey,
            "UNAUTHENTICATED" => ModelErrorKind::BadKey,
            "PERMISSION_DENIED" => ModelErrorKind::NotPermitted,
            "NOT_FOUND" if message.contains("model") => ModelErrorKind::NoSuchModel,
            "NOT_FOUND" => ModelErrorKind::NoSuchEndpoint,
            "RESOURCE_EXHAUSTED" if self.is_daily => ModelErrorKind::QuotaExceeded,
            "RESOURCE_EXHAUSTED" => ModelErrorKind::RateLimited { retry_after },
            "FAILED_PRECONDITION" => ModelErrorKind::NotPermitted,
            "INTERNAL" | "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "CANCELLED" | "ABORTED" => {
                ModelErrorKind::UpstreamDown {
                    retry_after,
                    cause: None,
                }
            }
            "INVALID_ARGUMENT"
                if message.contains("token count") && message.contains("exceeds") =>
            {
                ModelErrorKind::ContextTooLong {
                    limit: number_after(message, "maximum number of tokens allowed "),
                    given: number_after(message, "token count ("),
                }
            }
            "INVALID_ARGUMENT" => ModelErrorKind::InvalidArgument {
                argument: argument(message),
                reason: None,
            },
            _ => return None,
        })
    }
}

fn argument(message: &str) -> Option<&'static str> {
    [
        ("thinking", "thinking_mode"),
        ("budget", "thinking_mode"),
        ("temperature", "temperature"),
        ("output tokens", "max_output_tokens"),
        ("outputtokens", "max_output_tokens"),
        ("stop_sequences", "stop"),
        ("schema", "json_schema"),
        ("image", "images"),
    ]
    .into_iter()
    .find_map(|(theirs, ours)| message.contains(theirs).then_some(ours))
}

/// A duration of protocol buffers: seconds, with a fraction (`38.208s`).
fn span(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use reqwest::{StatusCode, header::HeaderMap};
    use serde_json::json;

    use super::*;
    use crate::models::ModelError;

    fn error(status: u16, body: &Value) -> ModelError {
        ModelError::new(kind(&Refused {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: body.to_string().as_bytes(),
        }))
    }

    fn told(status: &str, message: &str, details: Value) -> Value {
        json!({ "error": { "code": 400, "status": status, "message": message, "details": details } })
    }

    #[test]
    fn each_error_of_the_vendor_is_understood() {
        let invalid_key = json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }]);
        for (status, body, code) in [
            (
                400,
                told("INVALID_ARGUMENT", "API key not valid.", invalid_key),
                "bad_key",
            ),
            (
                400,
                told(
                    "INVALID_ARGUMENT",
                    "Thinking level is not supported for this model.",
                    json!([]),
                ),
                "invalid_argument",
            ),
            (
                400,
                told(
                    "INVALID_ARGUMENT",
                    "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
                    json!([]),
                ),
                "context_too_long",
            ),
            (
                400,
                told(
                    "FAILED_PRECONDITION",
                    "User location is not supported.",
                    json!([]),
                ),
                "not_permitted",
            ),
            (401, told("UNAUTHENTICATED", "", json!([])), "bad_key"),
            (
                403,
                told(
                    "PERMISSION_DENIED",
                    "Your API key was reported as leaked.",
                    json!([]),
                ),
                "bad_key",
            ),
            (
                403,
                told("PERMISSION_DENIED", "", json!([])),
                "not_permitted",
            ),
            (
                404,
                told(
                    "NOT_FOUND",
                    "models/x is not found for API version v1beta",
                    json!([]),
                ),
                "no_such_model",
            ),
            (404, json!({}), "no_such_endpoint"),
            (
                429,
                told(
                    "RESOURCE_EXHAUSTED",
                    "",
                    json!([{ "violations": [{ "quotaId": "GenerateRequestsPerDay" }] }]),
                ),
                "quota_exceeded",
            ),
            (
                429,
                told("RESOURCE_EXHAUSTED", "", json!([])),
                "rate_limited",
            ),
            (500, told("INTERNAL", "", json!([])), "upstream_down"),
            (
                503,
                told("UNAVAILABLE", "The model is overloaded.", json!([])),
                "upstream_down",
            ),
            (503, json!("<html>"), "upstream_down"),
        ] {
            assert_eq!(error(status, &body).code(), code, "{status} {body}");
            assert_eq!(
                error(status, &json!([body])).code(),
                code,
                "in an array: {body}"
            );
        }
    }

    #[test]
    fn the_wait_that_is_told_is_passed_on() {
        let delay = json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38.208s" }]);
        let limited = error(429, &told("RESOURCE_EXHAUSTED", "", delay));
        assert_eq!(limited.retry_after(), Some(Duration::from_millis(38_208)));
        for wrong in ["s", "-1s", "5", "1e999s", ""] {
            assert!(span(wrong).is_none_or(|wait| wait <= MAX_WAIT), "{wrong}");
        }
    }
}

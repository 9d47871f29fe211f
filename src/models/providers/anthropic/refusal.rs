//! From the vendor's error to ours (platform.claude.com/docs/en/api/errors).

use reqwest::StatusCode;
use serde_json::Value;

use crate::models::{
    ModelErrorKind,
    providers::http::{Refused, number_after},
};

/// The kind of a refused request.
pub(in crate::models::providers) fn kind(refused: &Refused<'_>) -> ModelErrorKind {
    let body = refused.json().unwrap_or_default();
    let told = Told::of(&body);
    match (told.kind(), refused.status) {
        // It says what the status cannot.
        (Some(kind @ ModelErrorKind::QuotaExceeded), _) => kind,
        (Some(ModelErrorKind::RateLimited { .. }), _) => ModelErrorKind::RateLimited {
            retry_after: refused.retry_after(),
        },
        (kind, _) => {
            if let Some(kind) = refused.by_status() {
                return kind;
            }
            match (kind, refused.status) {
                (Some(kind), _) => kind,
                (None, StatusCode::NOT_FOUND) if told.message.contains("model") => {
                    ModelErrorKind::NoSuchModel
                }
                (None, _) => refused.by_default(),
            }
        }
    }
}

/// The kind of an error that came inside an answer which had begun well.
pub(super) fn kind_in_answer(body: &Value) -> ModelErrorKind {
    Told::of(body)
        .kind()
        .unwrap_or(ModelErrorKind::UpstreamDown {
            retry_after: None,
            cause: None,
        })
}

/// What the vendor told. It never leaves this file.
struct Told {
    label: String,
    /// In lower case.
    message: String,
}

impl Told {
    fn of(body: &Value) -> Self {
        // Google wraps its own errors in an array.
        let body = body.get(0).unwrap_or(body);
        let text = |key: &str| {
            let text = body["error"][key].as_str().unwrap_or_default();
            text.to_ascii_lowercase()
        };
        let label = text("type");
        Self {
            label: if label.is_empty() {
                text("status")
            } else {
                label
            },
            message: text("message"),
        }
    }

    fn kind(&self) -> Option<ModelErrorKind> {
        let message = self.message.as_str();
        Some(match self.label.as_str() {
            "authentication_error" | "unauthenticated" => ModelErrorKind::BadKey,
            "billing_error" => ModelErrorKind::QuotaExceeded,
            "permission_error" | "permission_denied" => ModelErrorKind::NotPermitted,
            "not_found_error" | "not_found" if message.contains("model") => {
                ModelErrorKind::NoSuchModel
            }
            "rate_limit_error" | "resource_exhausted" => {
                ModelErrorKind::RateLimited { retry_after: None }
            }
            "request_too_large" => ModelErrorKind::ContextTooLong {
                limit: None,
                given: None,
            },
            "overloaded_error" | "api_error" | "timeout_error" | "unavailable" | "internal" => {
                ModelErrorKind::UpstreamDown {
                    retry_after: None,
                    cause: None,
                }
            }
            _ if message.contains("prompt is too long") => ModelErrorKind::ContextTooLong {
                limit: number_after(message, "tokens > "),
                given: number_after(message, "prompt is too long: "),
            },
            _ if message.contains("credit balance") => ModelErrorKind::QuotaExceeded,
            "invalid_request_error" | "invalid_argument" => ModelErrorKind::InvalidArgument {
                argument: argument(message),
                reason: None,
            },
            _ => return None,
        })
    }
}

/// The argument that a sentence begins with, as ours is called.
fn argument(message: &str) -> Option<&'static str> {
    let message = message.trim_start_matches('`');
    [
        ("temperature", "temperature"),
        ("max_tokens", "max_output_tokens"),
        ("\"thinking", "thinking_mode"),
        ("thinking", "thinking_mode"),
        ("output_config.format", "json_schema"),
        ("output_config", "thinking_mode"),
        ("adaptive thinking", "thinking_mode"),
        ("stop_sequences", "stop"),
        ("system", "system_prompt"),
        ("messages", "prompt"),
        ("model", "model"),
    ]
    .into_iter()
    .find_map(|(theirs, ours)| message.starts_with(theirs).then_some(ours))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn error(status: u16, label: &str, message: &str) -> crate::models::ModelError {
        let body = serde_json::json!({
            "type": "error", "error": { "type": label, "message": message }, "request_id": "req_1",
        });
        let kind = kind(&Refused {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: body.to_string().as_bytes(),
        });
        crate::models::ModelError::new(kind)
    }

    #[test]
    fn each_error_of_the_vendor_is_understood() {
        for (status, label, message, code) in [
            (
                400,
                "invalid_request_error",
                "temperature: Extra inputs are not permitted",
                "invalid_argument",
            ),
            (
                400,
                "invalid_request_error",
                "prompt is too long: 209000 tokens > 200000 maximum",
                "context_too_long",
            ),
            (
                400,
                "invalid_request_error",
                "Your credit balance is too low to access the API",
                "quota_exceeded",
            ),
            (401, "authentication_error", "invalid x-api-key", "bad_key"),
            (402, "billing_error", "", "quota_exceeded"),
            (403, "permission_error", "", "not_permitted"),
            (404, "not_found_error", "model: claude-9", "no_such_model"),
            (404, "not_found_error", "", "no_such_endpoint"),
            (413, "request_too_large", "", "context_too_long"),
            (429, "rate_limit_error", "", "rate_limited"),
            (500, "api_error", "", "upstream_down"),
            (504, "timeout_error", "", "upstream_down"),
            (529, "overloaded_error", "Overloaded", "upstream_down"),
            (418, "", "", "invalid_argument"),
        ] {
            assert_eq!(
                error(status, label, message).code(),
                code,
                "{status} {message}"
            );
        }
        let long = error(
            400,
            "invalid_request_error",
            "prompt is too long: 209000 tokens > 200000 maximum",
        );
        assert!(
            long.to_string().contains("209000 tokens, and 200000 fit"),
            "{long}"
        );
    }

    #[test]
    fn the_argument_that_is_meant_is_told_by_our_name() {
        for (message, ours) in [
            ("`temperature` is deprecated for this model.", "temperature"),
            ("max_tokens: must be greater than 1", "max_output_tokens"),
            (
                "\"thinking.type.enabled\" is not supported for this model.",
                "thinking_mode",
            ),
            ("messages.0.content.0.image: could not be fetched", "prompt"),
        ] {
            let error = error(400, "invalid_request_error", message);
            assert!(error.to_string().contains(&format!("`{ours}`")), "{error}");
        }
    }

    #[test]
    fn an_error_inside_a_stream_is_understood() {
        for (label, code) in [
            ("overloaded_error", "upstream_down"),
            ("rate_limit_error", "rate_limited"),
            ("anything", "upstream_down"),
        ] {
            let body = serde_json::json!({ "type": "error", "error": { "type": label } });
            let kind = kind_in_answer(&body);
            assert_eq!(crate::models::ModelError::new(kind).code(), code);
        }
    }
}

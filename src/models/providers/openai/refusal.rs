//! From a vendor's error to ours.
//!
//! What a vendor wrote is read here to choose among our kinds, and dropped: it may quote the key.
//! Only numbers that stand in a known place of a known sentence are carried over.

use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

use crate::models::ModelErrorKind;

/// The longest wait that is passed on; a server that names a longer one is not to be believed.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The kind of a refused request.
pub(super) fn kind(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ModelErrorKind {
    let told = serde_json::from_slice(body)
        .ok()
        .and_then(|body: Value| Told::find(&body));
    let retry_after = retry_after(headers);
    let known = told.as_ref().and_then(|told| told.kind(retry_after));
    match (status.as_u16(), known) {
        // These say what they mean whatever the body says.
        (401, _) => ModelErrorKind::BadKey,
        (402, _) => ModelErrorKind::QuotaExceeded,
        (413, _) => ModelErrorKind::ContextTooLong {
            limit: None,
            given: None,
        },
        (408 | 500.., _) => ModelErrorKind::UpstreamDown {
            retry_after,
            cause: None,
        },
        (_, Some(known)) => known,
        (403, None) => ModelErrorKind::NotPermitted,
        (404, None) if told.is_some_and(|told| told.mentions(&["model"])) => {
            ModelErrorKind::NoSuchModel
        }
        (404 | 405, None) => ModelErrorKind::NoSuchEndpoint,
        (429, None) => ModelErrorKind::RateLimited { retry_after },
        (_, None) => ModelErrorKind::InvalidArgument {
            argument: None,
            reason: None,
        },
    }
}

/// The kind of an error that came inside an answer which had begun well.
pub(super) fn kind_in_stream(body: &Value) -> ModelErrorKind {
    let down = ModelErrorKind::UpstreamDown {
        retry_after: None,
        cause: None,
    };
    Told::find(body)
        .and_then(|told| told.kind(None))
        .unwrap_or(down)
}

/// When to try again: seconds, milliseconds in the vendors' own header, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = || {
        text("retry-after-ms")?
            .parse()
            .ok()
            .map(Duration::from_millis)
    };
    let seconds = || {
        text(RETRY_AFTER.as_str())?
            .parse()
            .ok()
            .map(Duration::from_secs)
    };
    let date = || {
        let date = jiff::fmt::rfc2822::parse(text(RETRY_AFTER.as_str())?).ok()?;
        Duration::try_from(date.timestamp().duration_since(jiff::Timestamp::now())).ok()
    };
    milliseconds()
        .or_else(seconds)
        .or_else(date)
        .map(|wait| wait.min(MAX_WAIT))
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
                .filter_map(text)
                .map(lower)
                .collect(),
            param: text("param").map(lower),
            message: text("message")
                .or_else(|| text("error"))
                .map(lower)
                .unwrap_or_default(),
        })
    }

    fn kind(&self, retry_after: Option<Duration>) -> Option<ModelErrorKind> {
        if self.labelled(&["context_length_exceeded", "string_above_max_length"])
            || self.mentions(&[
                "maximum context length",
                "context window",
                "too many tokens",
            ])
        {
            let limit = number_after(&self.message, "maximum context length is ");
            let given = number_after(&self.message, "resulted in ")
                .or_else(|| number_after(&self.message, "you requested "));
            return Some(ModelErrorKind::ContextTooLong { limit, given });
        }
        if self.labelled(&["insufficient_quota", "billing_hard_limit_reached"]) {
            return Some(ModelErrorKind::QuotaExceeded);
        }
        if self.labelled(&["rate_limit_exceeded", "resource_exhausted", "rate_limited"]) {
            return Some(ModelErrorKind::RateLimited { retry_after });
        }
        // Gemini and xAI answer 400 to a wrong key.
        if self.labelled(&["invalid_api_key", "api_key_invalid", "unauthenticated"])
            || (self.mentions(&["api key"])
                && self.mentions(&["not valid", "invalid", "incorrect", "expired"]))
        {
            return Some(ModelErrorKind::BadKey);
        }
        if self.labelled(&["model_not_found"])
            || (self.mentions(&["model"])
                && self.mentions(&["does not exist", "not found", "invalid model"]))
        {
            return Some(ModelErrorKind::NoSuchModel);
        }
        if self.labelled(&[
            "content_filter",
            "content_policy_violation",
            "invalid_prompt",
        ]) {
            return Some(ModelErrorKind::ContentFiltered);
        }
        if self.labelled(&["permission_denied", "insufficient_permissions"]) {
            return Some(ModelErrorKind::NotPermitted);
        }
        let argument = match self.param.as_deref() {
            Some("temperature") => Some("temperature"),
            Some("max_tokens" | "max_completion_tokens") => Some("max_output_tokens"),
            Some("model") => Some("model"),
            Some("messages") => Some("prompt"),
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

/// The number that follows a fixed phrase. Nine digits at most, so that it is a count of tokens.
fn number_after(message: &str, phrase: &str) -> Option<u64> {
    let (_, rest) = message.split_once(phrase)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, after) = rest.split_at(digits);
    let counts = digits <= 9 && (after.is_empty() || after.starts_with([' ', '.', ',']));
    number.parse().ok().filter(|_| counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(status: u16, body: &str) -> &'static str {
        let kind = kind(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        );
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

    #[test]
    fn numbers_are_parsed_only_where_they_are_counts_of_tokens() {
        let message = "this model's maximum context length is 8192 tokens. however, your messages \
                       resulted in 9001 tokens.";
        assert_eq!(
            number_after(message, "maximum context length is "),
            Some(8192)
        );
        assert_eq!(number_after(message, "resulted in "), Some(9001));
        assert_eq!(
            number_after("resulted in 12345678901234567890 tokens", "resulted in "),
            None
        );
        assert_eq!(number_after("resulted in 12ab", "resulted in "), None);
        assert_eq!(number_after("resulted in ", "resulted in "), None);
    }

    #[test]
    fn a_wait_is_read_in_each_form_and_bounded() {
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("retry-after-ms", "250"),
            Some(Duration::from_millis(250))
        );
        assert_eq!(wait("retry-after", "99999999999"), Some(MAX_WAIT));
        assert_eq!(
            wait("retry-after", "Wed, 21 Oct 2099 07:28:00 GMT"),
            Some(MAX_WAIT)
        );
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(wait("retry-after", "soon"), None);
    }
}

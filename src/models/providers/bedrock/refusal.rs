//! From the service's error to ours
//! (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#errors).

use crate::models::{ModelErrorKind, providers::http::Refused};

/// The kind of a refused request. Its type stands in a header, behind which a URL may follow.
pub(super) fn kind(refused: &Refused<'_>) -> ModelErrorKind {
    let header = refused.headers.get("x-amzn-errortype");
    let told = header
        .and_then(|told| told.to_str().ok())
        .unwrap_or_default();
    let told = told.split(':').next().unwrap_or_default();
    let exception = told.rsplit('#').next().unwrap_or_default();
    let message = refused
        .json()
        .and_then(|body| Some(body["message"].as_str()?.to_ascii_lowercase()))
        .unwrap_or_default();
    named(exception, &message)
        .or_else(|| refused.by_status())
        .unwrap_or_else(|| refused.by_default())
}

/// The kind of an exception inside an answer which had begun well.
pub(super) fn kind_in_answer(exception: &str, data: &str) -> ModelErrorKind {
    // In a stream its first letter is small.
    let mut letters = exception.chars();
    let exception: String = letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect();
    named(&exception, &data.to_ascii_lowercase()).unwrap_or(ModelErrorKind::UpstreamDown {
        retry_after: None,
        cause: None,
    })
}

fn named(exception: &str, message: &str) -> Option<ModelErrorKind> {
    Some(match exception {
        "ThrottlingException" => ModelErrorKind::RateLimited { retry_after: None },
        "ServiceQuotaExceededException" => ModelErrorKind::QuotaExceeded,
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignatureException" => ModelErrorKind::BadKey,
        "AccessDeniedException" if message.contains("api key") => ModelErrorKind::BadKey,
        "AccessDeniedException" => ModelErrorKind::NotPermitted,
        "ResourceNotFoundException" => ModelErrorKind::NoSuchModel,
        "ValidationException" if message.contains("too long") => ModelErrorKind::ContextTooLong {
            limit: None,
            given: None,
        },
        "ValidationException"
            if message.contains("model identifier") || message.contains("inference profile") =>
        {
            ModelErrorKind::NoSuchModel
        }
        "ValidationException" => ModelErrorKind::InvalidArgument {
            argument: [
                ("temperature", "temperature"),
                ("maxtokens", "max_output_tokens"),
                ("thinking", "thinking_mode"),
                ("stopsequences", "stop"),
                ("image", "images"),
            ]
            .into_iter()
            .find_map(|(theirs, ours)| message.contains(theirs).then_some(ours)),
            reason: None,
        },
        "ModelNotReadyException"
        | "ModelTimeoutException"
        | "ModelErrorException"
        | "ModelStreamErrorException"
        | "InternalServerException"
        | "ServiceUnavailableException" => ModelErrorKind::UpstreamDown {
            retry_after: None,
            cause: None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use reqwest::{StatusCode, header::HeaderMap};

    use super::*;
    use crate::models::ModelError;

    #[test]
    fn each_exception_of_the_service_is_understood() {
        for (status, exception, message, code) in [
            (
                400,
                "ValidationException:http://internal.amazon.com/",
                "The provided model identifier is invalid.",
                "no_such_model",
            ),
            (
                400,
                "ValidationException",
                "Input is too long for requested model.",
                "context_too_long",
            ),
            (
                400,
                "com.amazon#ValidationException",
                "temperature",
                "invalid_argument",
            ),
            (400, "ServiceQuotaExceededException", "", "quota_exceeded"),
            (
                403,
                "AccessDeniedException",
                "Authentication failed: Please make sure your API Key is valid.",
                "bad_key",
            ),
            (
                403,
                "AccessDeniedException",
                "You don't have access to the model",
                "not_permitted",
            ),
            (403, "ExpiredTokenException", "", "bad_key"),
            (403, "", "", "not_permitted"),
            (404, "ResourceNotFoundException", "", "no_such_model"),
            (408, "ModelTimeoutException", "", "upstream_down"),
            (424, "ModelErrorException", "", "upstream_down"),
            (429, "ThrottlingException", "", "rate_limited"),
            (429, "ModelNotReadyException", "", "upstream_down"),
            (500, "InternalServerException", "", "upstream_down"),
            (503, "ServiceUnavailableException", "", "upstream_down"),
            (503, "", "", "upstream_down"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-amzn-errortype", exception.parse().unwrap());
            let kind = kind(&Refused {
                status: StatusCode::from_u16(status).unwrap(),
                headers: &headers,
                body: serde_json::json!({ "message": message })
                    .to_string()
                    .as_bytes(),
            });
            assert_eq!(
                ModelError::new(kind).code(),
                code,
                "{status} {exception} {message}"
            );
        }
        let throttled = kind_in_answer("throttlingException", "{\"message\":\"slow\"}");
        assert_eq!(ModelError::new(throttled).code(), "rate_limited");
        assert_eq!(
            ModelError::new(kind_in_answer("", "")).code(),
            "upstream_down"
        );
    }
}

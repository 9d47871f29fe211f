//! What an error of the SDK means.
//!
//! Only its sort and its code are looked at. Its text stays inside: the SDK's errors quote
//! responses, and AWS's messages quote what they were sent.

use std::{error::Error, time::Duration};

use aws_sdk_secretsmanager::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use super::guard::Refusal;
use crate::secrets::providers::{ErrorKind, ProviderError, endpoint::tls_failure};

/// Which region was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The provider's own, or the only one that is known.
    Home,
    /// Another one, named by the reference.
    Elsewhere,
}

/// `Ok` if the secret was never there.
pub(super) fn classify<E>(
    error: &SdkError<E, HttpResponse>,
    asked: Asked,
    about: &str,
) -> Result<(), ProviderError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, what) = match error {
        SdkError::ServiceError(refused) => {
            let of_service = refused.err();
            let status = refused.raw().status().as_u16();
            match of_code(of_service.code(), status, of_service.message()) {
                Some(_) if asked == Asked::Elsewhere && is_unknown_login(of_service.code()) => (
                    ErrorKind::Misconfigured,
                    "this region does not know these credentials: is it enabled for the account?",
                ),
                Some(failure) => failure,
                None => return Ok(()),
            }
        }
        other => of_way(other),
    };
    let wait = error.raw_response().and_then(asked_wait);
    Err(ProviderError::new(kind, format!("{about}: {what}")).retry_after(wait))
}

/// `Ok` if the secret, one of many in an answer, was never there.
pub(super) fn classify_one(
    code: Option<&str>,
    message: Option<&str>,
    about: &str,
) -> Result<(), ProviderError> {
    match of_code(code, 400, message) {
        Some((kind, what)) => Err(ProviderError::new(kind, format!("{about}: {what}"))),
        None => Ok(()),
    }
}

/// How long AWS wants to be left alone: `Retry-After` in seconds (RFC 9110, 10.2.3; AWS sends no
/// dates), or `x-amz-retry-after` in milliseconds, which the SDK reads so too.
pub(super) fn asked_wait(answer: &HttpResponse) -> Option<Duration> {
    let number = |name: &str| answer.headers().get(name)?.trim().parse::<u64>().ok();
    let exact = number("x-amz-retry-after").map(Duration::from_millis);
    exact.or_else(|| number("retry-after").map(Duration::from_secs))
}

/// Whether a code of any of AWS's services asks for patience.
pub(super) fn is_throttling(code: &str, status: u16) -> bool {
    let codes = [
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
    ];
    status == 429 || codes.contains(&code)
}

/// Whether a code of any of AWS's services says that the credentials themselves are no good.
pub(super) fn is_dead_login(code: &str) -> bool {
    matches!(
        code,
        "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "ExpiredToken"
            | "ExpiredTokenException"
    )
}

/// Whether a code says that nobody has heard of the credentials. A region that the account has not
/// enabled says so of good ones, too: IAM's entries are brought to a region when it is enabled
/// (Account Management API reference, `EnableRegion`).
fn is_unknown_login(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("UnrecognizedClientException" | "InvalidClientTokenId")
    )
}

/// By AWS's code; `None` for a miss. The message is looked at for one word alone.
fn of_code(
    code: Option<&str>,
    status: u16,
    message: Option<&str>,
) -> Option<(ErrorKind, &'static str)> {
    use ErrorKind as K;
    let says_deleted = message.is_some_and(|text| text.contains("delet"));
    Some(match code.unwrap_or_default() {
        "ResourceNotFoundException" => return None,
        "InvalidRequestException" if says_deleted => (
            K::Deleted,
            "the secret is marked for deletion; restore it, or bind another",
        ),
        "AccessDeniedException" | "AccessDenied" => (
            K::Forbidden,
            "these credentials do not allow `secretsmanager:GetSecretValue` on this secret",
        ),
        "DecryptionFailure" => (
            K::Forbidden,
            "its KMS key cannot be used; is `kms:Decrypt` allowed, is it enabled?",
        ),
        code if is_dead_login(code) => (
            K::LoginFailed,
            "AWS does not accept these credentials (wrong, expired or revoked)",
        ),
        code if is_throttling(code, status) => (K::Throttled, "AWS throttles these requests"),
        _ if status >= 500 => (K::ServerFailed, "AWS failed"),
        // A success that the SDK could not read.
        _ if status < 300 => (K::ServerFailed, "the answer is not one of AWS"),
        "InvalidRequestException" => (
            K::Misconfigured,
            "AWS says that the secret cannot be read in its present state",
        ),
        _ => (
            K::Misconfigured,
            "AWS refused the request; is the reference right?",
        ),
    })
}

/// By what happened on the way to AWS.
pub(super) fn of_way<E>(error: &SdkError<E, HttpResponse>) -> (ErrorKind, &'static str)
where
    E: Error + 'static,
{
    use ErrorKind as K;
    if let Some(failure) = of_cause(error) {
        return failure;
    }
    match error {
        SdkError::TimeoutError(_) => (K::TimedOut, "no answer in time"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (K::TimedOut, "no answer in time")
        }
        // Broken off before an answer, too, which the SDK counts as neither.
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.as_other().is_some() => (
            K::Unreachable,
            "cannot be reached; are region, `endpoint_url` and the network right?",
        ),
        SdkError::ResponseError(_) => (K::ServerFailed, "the answer is not one of AWS"),
        _ => (
            K::Misconfigured,
            "the request could not be made; is a region set (`region` or AWS_REGION), and does no \
             profile name an endpoint beside `fips` or `dual_stack`?",
        ),
    }
}

/// By what an error was caused by, whatever it is an error of.
pub(super) fn of_cause(error: &(dyn Error + 'static)) -> Option<(ErrorKind, &'static str)> {
    use ErrorKind as K;
    match cause::<Refusal>(error) {
        Some(Refusal::Plaintext) => Some((
            K::Misconfigured,
            "its address, or one that credentials come from, is plain `http` on another machine; \
             correct `endpoint_url`, the profile or the variables `AWS_ENDPOINT_URL*`, or set \
             `allow_plaintext: true`",
        )),
        Some(Refusal::TooLong) => Some((K::Malformed, "an answer is longer than any secret")),
        None => tls_failure(error).map(|what| (K::Tls, what)),
    }
}

/// The first cause of a type.
pub(super) fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::{body::SdkBody, retry::ErrorKind as ErrorSort};

    use super::*;

    #[test]
    fn only_a_secret_that_does_not_exist_is_a_miss() {
        assert_eq!(of_code(Some("ResourceNotFoundException"), 400, None), None);
        let deleted = Some("currently marked deleted");
        for (code, status, message, kind) in [
            ("InvalidRequestException", 400, deleted, ErrorKind::Deleted),
            (
                "InvalidRequestException",
                400,
                None,
                ErrorKind::Misconfigured,
            ),
            ("AccessDeniedException", 400, None, ErrorKind::Forbidden),
            ("DecryptionFailure", 400, None, ErrorKind::Forbidden),
            ("ExpiredTokenException", 400, None, ErrorKind::LoginFailed),
            ("ThrottlingException", 400, None, ErrorKind::Throttled),
            ("", 429, None, ErrorKind::Throttled),
            ("InternalServiceError", 500, None, ErrorKind::ServerFailed),
            ("SomethingNew", 400, None, ErrorKind::Misconfigured),
            ("", 404, None, ErrorKind::Misconfigured),
            ("", 200, None, ErrorKind::ServerFailed),
        ] {
            let found = of_code(Some(code), status, message);
            assert_eq!(found.map(|(kind, _)| kind), Some(kind), "{code} {status}");
        }
    }

    #[test]
    fn a_failure_before_aws_is_told_by_its_cause() {
        type Failure = SdkError<GetSecretValueError, HttpResponse>;
        let refused: Failure = SdkError::construction_failure(Refusal::Plaintext);
        assert_eq!(of_way(&refused).0, ErrorKind::Misconfigured);
        let late: Failure = SdkError::timeout_error("canary");
        assert_eq!(of_way(&late).0, ErrorKind::TimedOut);
        let broken = ConnectorError::other("canary".into(), Some(ErrorSort::TransientError));
        let broken: Failure = SdkError::dispatch_failure(broken);
        assert_eq!(of_way(&broken).0, ErrorKind::Unreachable);
    }

    #[test]
    fn a_wish_to_be_left_alone_is_read_in_both_forms_and_not_guessed() {
        for (name, value, wait) in [
            ("retry-after", "7", Some(7_000)),
            ("Retry-After", "7", Some(7_000)),
            ("x-amz-retry-after", "250", Some(250)),
            ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("retry-after", "-1", None),
            ("date", "7", None),
        ] {
            let status = 429.try_into().unwrap();
            let mut answer = HttpResponse::new(status, SdkBody::empty());
            answer.headers_mut().insert(name, value);
            let wait = wait.map(Duration::from_millis);
            assert_eq!(asked_wait(&answer), wait, "{name}: {value}");
        }
    }
}

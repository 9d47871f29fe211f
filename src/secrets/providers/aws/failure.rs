//! What an error of the SDK means.
//!
//! Only its sort and its code are looked at. Its text stays inside: the SDK's errors quote
//! responses, and AWS's messages quote what they were sent.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_secret_value::GetSecretValueError,
};

use super::guard::Refusal;
use crate::secrets::providers::{ErrorKind, ProviderError, endpoint::tls_failure};

/// `Ok` if the secret was never there.
pub(super) fn classify(
    error: &SdkError<GetSecretValueError, HttpResponse>,
    about: &str,
) -> Result<(), ProviderError> {
    let (kind, what) = match error {
        SdkError::ServiceError(refused) => {
            let of_service = refused.err();
            let says_deleted = of_service
                .message()
                .is_some_and(|text| text.contains("delet"));
            let status = refused.raw().status().as_u16();
            match of_code(of_service.code(), status, says_deleted) {
                Some(failure) => failure,
                None => return Ok(()),
            }
        }
        other => of_way(other),
    };
    Err(ProviderError::new(kind, format!("{about}: {what}")))
}

/// By AWS's code; `None` for a miss.
fn of_code(
    code: Option<&str>,
    status: u16,
    says_deleted: bool,
) -> Option<(ErrorKind, &'static str)> {
    use ErrorKind as K;
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
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException" => (
            K::LoginFailed,
            "AWS does not accept these credentials (wrong, expired or revoked)",
        ),
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown" => (K::Throttled, "AWS throttles these requests, after retries"),
        _ if status == 429 => (K::Throttled, "AWS throttles these requests, after retries"),
        _ if status >= 500 => (K::ServerFailed, "AWS failed, after retries"),
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

/// By what happened on the way to AWS, or before it.
fn of_way(error: &SdkError<GetSecretValueError, HttpResponse>) -> (ErrorKind, &'static str) {
    use ErrorKind as K;
    if let Some(refusal) = cause::<Refusal>(error) {
        return match refusal {
            Refusal::Plaintext => (
                K::Misconfigured,
                "its address, or one that credentials come from, is plain `http` on another \
                 machine; correct `endpoint_url`, the profile or the variables `AWS_ENDPOINT_URL*`, \
                 or set `allow_plaintext: true`",
            ),
            Refusal::TooLong => (K::Malformed, "an answer is longer than any secret"),
        };
    }
    if let Some(credentials) = cause::<CredentialsError>(error) {
        return match credentials {
            CredentialsError::CredentialsNotLoaded(_) => (
                K::LoginFailed,
                "no AWS credentials were found: not in AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, a profile, a web identity, a container or an instance",
            ),
            CredentialsError::InvalidConfiguration(_) => (
                K::LoginFailed,
                "the AWS profile or role is configured wrongly",
            ),
            CredentialsError::ProviderTimedOut(_) => {
                (K::TimedOut, "AWS credentials could not be had in time")
            }
            _ => (
                K::LoginFailed,
                "AWS credentials could not be had (see the profile or the role)",
            ),
        };
    }
    if let Some(what) = tls_failure(error) {
        return (K::Tls, what);
    }
    match error {
        SdkError::TimeoutError(_) => (K::TimedOut, "no answer in time"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (K::TimedOut, "no answer in time")
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => (
            K::Unreachable,
            "cannot be reached; are region, `endpoint_url` and the network right?",
        ),
        SdkError::ResponseError(_) => (K::ServerFailed, "the answer is not one of Secrets Manager"),
        _ => (
            K::Misconfigured,
            "the request could not be made; is a region set (`region` or AWS_REGION)?",
        ),
    }
}

/// The first cause of a type.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
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
    use super::*;

    #[test]
    fn only_a_secret_that_does_not_exist_is_a_miss() {
        assert_eq!(of_code(Some("ResourceNotFoundException"), 400, false), None);
        for (code, status, says_deleted, kind) in [
            ("InvalidRequestException", 400, true, ErrorKind::Deleted),
            (
                "InvalidRequestException",
                400,
                false,
                ErrorKind::Misconfigured,
            ),
            ("AccessDeniedException", 400, false, ErrorKind::Forbidden),
            ("DecryptionFailure", 400, false, ErrorKind::Forbidden),
            ("ExpiredTokenException", 400, false, ErrorKind::LoginFailed),
            ("ThrottlingException", 400, false, ErrorKind::Throttled),
            ("", 429, false, ErrorKind::Throttled),
            ("InternalServiceError", 500, false, ErrorKind::ServerFailed),
            ("SomethingNew", 400, false, ErrorKind::Misconfigured),
            ("", 404, false, ErrorKind::Misconfigured),
        ] {
            let found = of_code(Some(code), status, says_deleted);
            assert_eq!(found.map(|(kind, _)| kind), Some(kind), "{code} {status}");
        }
    }

    #[test]
    fn a_failure_before_aws_is_told_by_its_cause() {
        let none = SdkError::construction_failure(CredentialsError::not_loaded_no_source());
        assert_eq!(of_way(&none).0, ErrorKind::LoginFailed);
        let refused = SdkError::construction_failure(Refusal::Plaintext);
        assert_eq!(of_way(&refused).0, ErrorKind::Misconfigured);
        let late = SdkError::timeout_error("canary");
        assert_eq!(of_way(&late).0, ErrorKind::TimedOut);
    }
}

//! Why there are no credentials to ask with: what an error of the SDK's search, or of STS, means.
//!
//! As in `failure`, only sorts and codes are looked at, and no text of an error gets out: a program
//! that prints credentials may have printed them into its error, too.

use std::{error::Error, io};

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_sdk_sts::operation::{
    assume_role::AssumeRoleError, assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
};
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::failure::{asked_wait, cause, is_dead_login, is_throttling, of_cause, of_way};
use crate::secrets::providers::{ErrorKind, ProviderError};

type OfSts<E> = SdkError<E, HttpResponse>;

/// Why the SDK's search found no credentials.
pub(super) fn of_search(error: &CredentialsError) -> ProviderError {
    if let Some(of_sts) = cause::<OfSts<AssumeRoleWithWebIdentityError>>(error) {
        return of_sts_answer(
            of_sts,
            "logging in with a web identity at STS",
            of_web_identity,
        );
    }
    if let Some(of_sts) = cause::<OfSts<AssumeRoleError>>(error) {
        let about = "assuming the role of the AWS profile at STS";
        return of_sts_answer(of_sts, about, of_profile_role);
    }
    let (kind, what) = of_source(error);
    ProviderError::new(kind, format!("AWS credentials: {what}"))
}

/// Why STS did not give the role that `assume_role` names.
pub(super) fn of_role(error: &OfSts<AssumeRoleError>, about: &str) -> ProviderError {
    of_sts_answer(error, about, of_our_role)
}

type Words = fn(&str) -> Option<(ErrorKind, &'static str)>;

fn of_sts_answer<E>(error: &OfSts<E>, about: &str, words: Words) -> ProviderError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    use ErrorKind as K;
    let (kind, what) = match error {
        SdkError::ServiceError(refused) => {
            let code = refused.err().code().unwrap_or_default();
            match (code, refused.raw().status().as_u16()) {
                (code, _) if let Some(told) = words(code) => told,
                (code, _) if is_dead_login(code) => (
                    K::LoginFailed,
                    "STS does not accept the credentials that it was asked with (wrong, expired or \
                     revoked)",
                ),
                (code, status) if is_throttling(code, status) => {
                    (K::Throttled, "STS throttles these requests")
                }
                (_, 500..) => (K::ServerFailed, "STS failed"),
                (_, ..300) => (K::ServerFailed, "the answer is not one of STS"),
                ("RegionDisabledException", _) => (
                    K::LoginFailed,
                    "STS is not activated in this region for the account",
                ),
                _ => (K::LoginFailed, "STS refused the request"),
            }
        }
        other => of_way(other),
    };
    let wait = error.raw_response().and_then(asked_wait);
    ProviderError::new(kind, format!("{about}: {what}")).retry_after(wait)
}

fn of_our_role(code: &str) -> Option<(ErrorKind, &'static str)> {
    match code {
        "AccessDenied" | "AccessDeniedException" => Some((
            ErrorKind::LoginFailed,
            "not allowed; may these credentials `sts:AssumeRole`, does the role trust them, and \
             is `assume_role.external_id` the one that it wants?",
        )),
        "ValidationError" => Some((
            ErrorKind::LoginFailed,
            "STS refused what it was told; are `role_arn`, `session_name`, `external_id` and \
             `duration` (no longer than the role allows) of `assume_role` right?",
        )),
        _ => None,
    }
}

fn of_profile_role(code: &str) -> Option<(ErrorKind, &'static str)> {
    matches!(code, "AccessDenied" | "AccessDeniedException").then_some((
        ErrorKind::LoginFailed,
        "not allowed; are `role_arn`, `source_profile` and `external_id` of the profile right, and \
         does the role trust them?",
    ))
}

fn of_web_identity(code: &str) -> Option<(ErrorKind, &'static str)> {
    Some(match code {
        "ExpiredTokenException" | "ExpiredToken" => (
            ErrorKind::LoginFailed,
            "the token in AWS_WEB_IDENTITY_TOKEN_FILE has expired; is the file renewed?",
        ),
        "InvalidIdentityToken" | "InvalidIdentityTokenException" | "IDPRejectedClaim" => (
            ErrorKind::LoginFailed,
            "the token in AWS_WEB_IDENTITY_TOKEN_FILE is not accepted; are its issuer and audience \
             those of the account's identity provider?",
        ),
        "AccessDenied" | "AccessDeniedException" => (
            ErrorKind::LoginFailed,
            "not allowed; does the role in AWS_ROLE_ARN trust this identity?",
        ),
        "IDPCommunicationError" => (
            ErrorKind::ServerFailed,
            "STS cannot reach the identity provider",
        ),
        _ => return None,
    })
}

/// By what stood between us and whoever has the credentials.
fn of_source(error: &CredentialsError) -> (ErrorKind, &'static str) {
    use ErrorKind as K;
    if let Some(failure) = of_cause(error) {
        return failure;
    }
    let connector = cause::<ConnectorError>(error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) => (
            K::LoginFailed,
            "no AWS credentials were found: not in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a \
             profile, a web identity, a container or an instance",
        ),
        CredentialsError::InvalidConfiguration(_) => (
            K::LoginFailed,
            "the AWS profile, or AWS_CONTAINER_CREDENTIALS_FULL_URI, is configured wrongly",
        ),
        CredentialsError::ProviderTimedOut(_) => (K::TimedOut, "could not be had in time"),
        _ if connector.is_some_and(ConnectorError::is_timeout) => {
            (K::TimedOut, "whoever has them did not answer in time")
        }
        _ if connector.is_some_and(|error| error.is_io() || error.as_other().is_some()) => {
            (K::Unreachable, "whoever has them cannot be reached")
        }
        _ if cause::<ImdsError>(error).is_some() => (
            K::LoginFailed,
            "the instance's metadata service (IMDSv2) did not give any; has the instance a role, \
             does its hop limit allow a container?",
        ),
        _ if cause::<io::Error>(error).is_some() => (
            K::LoginFailed,
            "a file cannot be read; do AWS_WEB_IDENTITY_TOKEN_FILE or \
             AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE name one that is there?",
        ),
        _ => (
            K::LoginFailed,
            "could not be had; try the profile's `credential_process`, log in anew with `aws sso \
             login`, or see what the container's credentials endpoint says",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::providers::aws::guard::Refusal;

    #[test]
    fn missing_credentials_are_told_by_what_they_lack_and_never_by_their_text() {
        type E = CredentialsError;
        let io = io::Error::from(io::ErrorKind::NotFound);
        for (error, kind, words) in [
            (
                E::not_loaded_no_source(),
                ErrorKind::LoginFailed,
                "no AWS credentials",
            ),
            (
                E::provider_error(Refusal::Plaintext),
                ErrorKind::Misconfigured,
                "plain `http`",
            ),
            (
                E::invalid_configuration("canary"),
                ErrorKind::LoginFailed,
                "profile",
            ),
            (
                E::provider_error("canary"),
                ErrorKind::LoginFailed,
                "sso login",
            ),
            (E::provider_error(io), ErrorKind::LoginFailed, "TOKEN_FILE"),
            (
                E::unhandled(ConnectorError::timeout("canary".into())),
                ErrorKind::TimedOut,
                "in time",
            ),
            (
                E::unhandled(ConnectorError::io("canary".into())),
                ErrorKind::Unreachable,
                "reached",
            ),
        ] {
            let told = of_search(&error);
            assert_eq!(told.kind, kind, "{told}");
            assert!(told.detail.contains(words), "{told}");
            assert!(!told.detail.contains("canary"), "{told}");
        }
    }
}

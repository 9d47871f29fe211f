//! The last word on every exchange of the SDK: where it may go, and how much is read of an answer.
//!
//! It stands around the connector because nothing else sees them all. The SDK asks more than
//! Secrets Manager: STS, SSO, a container's or an instance's metadata, each at an address that a
//! profile or a variable can name and our settings never see. A guard before one client would let
//! a login out by another.

use std::{error::Error, fmt};

use aws_sdk_secretsmanager::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        connector_metadata::ConnectorMetadata,
        http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::HttpRequest,
        result::ConnectorError,
        runtime_components::RuntimeComponentsBuilder,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use reqwest::Url;

use crate::outbound::is_loopback;

/// The longest answer that is read: a secret has at most 64 KiB, and JSON may double it.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The same for many secrets at once: a request asks for at most twenty.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The value of `x-amz-target` that asks for many.
const BATCH: &str = "secretsmanager.BatchGetSecretValue";

/// Where AWS's own metadata services are: instances, containers, EKS. They speak plain HTTP, on a
/// link that ends at the host.
const METADATA: [&str; 5] = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
];

/// The guard's refusal, found again in the SDK's error by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Plaintext,
    TooLong,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "plain `http` to another machine",
            Self::TooLong => "an answer that is longer than any secret",
        })
    }
}

impl Error for Refusal {}

/// An HTTP client whose every exchange keeps the rules.
#[derive(Debug)]
pub(super) struct Guarded<T> {
    inner: T,
    allow_plaintext: bool,
}

impl Guarded<SharedHttpClient> {
    pub(super) fn new(inner: SharedHttpClient, allow_plaintext: bool) -> Self {
        Self {
            inner,
            allow_plaintext,
        }
    }
}

impl HttpClient for Guarded<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Guarded {
            inner: self.inner.http_connector(settings, components),
            allow_plaintext: self.allow_plaintext,
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        settings: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, settings)
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        settings: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_final_config(components, settings)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

impl HttpConnector for Guarded<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !self.allow_plaintext && !keeps_secrets(request.uri()) {
            let refused = ConnectorError::user(Refusal::Plaintext.into());
            return HttpConnectorFuture::ready(Err(refused));
        }
        let most = match request.headers().get("x-amz-target") {
            Some(BATCH) => MAX_BATCH_BYTES,
            _ => MAX_ANSWER_BYTES,
        };
        let answered = self.inner.call(request);
        HttpConnectorFuture::new(async move { Ok(answered.await?.map(|body| bounded(body, most))) })
    }
}

/// Whether nobody on the way could read what goes to an address.
fn keeps_secrets(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url) || url.host_str().is_some_and(|host| METADATA.contains(&host)),
        _ => false,
    })
}

/// Ends a body that is too long where it is too long: its announced length is only a promise.
fn bounded(body: SdkBody, most: usize) -> SdkBody {
    let limited = Limited::new(body, most).map_err(|error| -> BoxError {
        if error.is::<LengthLimitError>() {
            Refusal::TooLong.into()
        } else {
            error
        }
    });
    SdkBody::from_body_1_x(limited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_goes_to_this_machine_and_to_the_metadata_services_alone() {
        for kept in [
            "https://sts.eu-central-1.amazonaws.com/?Action=x",
            "http://127.0.0.1:5000/",
            "http://localhost:5000/",
            "http://[::1]/",
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2/credentials/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::254]/latest",
            "http://[fd00:ec2::23]/v1/credentials",
        ] {
            assert!(keeps_secrets(kept), "{kept}");
        }
        for lost in [
            "http://sts.example/",
            "http://10.0.0.1/",
            "http://169.254.169.253/",
            "http://169.254.169.254.example/",
            "http://[fd00:ec2::253]/",
            "http://sts.example/http://127.0.0.1/",
            "ftp://127.0.0.1/",
            "/latest/api/token",
        ] {
            assert!(!keeps_secrets(lost), "{lost}");
        }
    }

    #[tokio::test]
    async fn a_body_ends_where_it_is_too_long() {
        let whole = |length| bounded(SdkBody::from(vec![b'x'; length]), MAX_ANSWER_BYTES).collect();
        let most = whole(MAX_ANSWER_BYTES).await.unwrap().to_bytes();
        assert_eq!(most.len(), MAX_ANSWER_BYTES);
        let error = whole(MAX_ANSWER_BYTES + 1).await.unwrap_err();
        assert_eq!(error.downcast_ref::<Refusal>(), Some(&Refusal::TooLong));
    }
}

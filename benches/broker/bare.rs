//! The same reads without a broker: what a program would do that fetches a key by itself.
//!
//! Each asks for the same path at the same server over a fresh connection and reads the whole
//! answer. None looks for the key in it, locks memory, keeps a deadline or notes who asked.

use aws_sdk_secretsmanager::{
    Client as AwsClient,
    config::{BehaviorVersion, Builder, Credentials, Region, SharedHttpClient, retry::RetryConfig},
};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use reqwest::{Certificate, Client};

use crate::support::{moto::Moto, openbao_api::Bao};

/// A plain HTTP client before a Vault.
pub struct BareVault {
    client: Client,
    url: String,
    token: String,
}

impl BareVault {
    /// For one path; `authority` is the PEM to trust, if the way is TLS.
    pub fn new(bao: &Bao, path: &str, authority: Option<&str>) -> Self {
        let roots = authority.map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap());
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only(roots)
            .http1_only()
            .pool_max_idle_per_host(0);
        Self {
            client: client.build().unwrap(),
            url: format!("{}/v1/{path}", bao.address()),
            token: bao.token().to_owned(),
        }
    }

    /// One read; gives the length of the answer.
    pub async fn read(&self) -> usize {
        let request = self
            .client
            .get(&self.url)
            .header("X-Vault-Token", &self.token);
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap().len()
    }
}

/// The SDK with fixed credentials before moto, keeping no connection.
pub struct BareAws {
    client: AwsClient,
    name: String,
}

impl BareAws {
    /// For one secret.
    pub fn new(moto: &Moto, name: &str) -> Self {
        let connector = |_: Option<&_>, _: Option<&_>| {
            Connector::builder().pool_max_idle_per_host(0).build_http()
        };
        let http = HttpBuilder::new().build_with_connector_fn(connector);
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .http_client(SharedHttpClient::new(http))
            .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
            .region(Region::new(Moto::REGION))
            .endpoint_url(moto.address())
            .retry_config(RetryConfig::disabled());
        Self {
            client: AwsClient::from_conf(config.build()),
            name: name.to_owned(),
        }
    }

    /// One signed read; gives the length of the value.
    pub async fn read(&self) -> usize {
        let asked = self.client.get_secret_value().secret_id(&self.name);
        asked.send().await.unwrap().secret_string().unwrap().len()
    }
}

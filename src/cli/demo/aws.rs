//! The demo's key in AWS Secrets Manager, or in a server that speaks its protocol.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use aws_smithy_http_client::proxy::ProxyConfig;
use serde_json::json;
use zeroize::Zeroizing;

use super::DemoError;
use crate::{cli::args::Demo, secrets::providers::aws::http_client};

/// The secret's place.
pub(super) struct AwsStore {
    endpoint_url: Option<String>,
    region: String,
    name: String,
}

impl AwsStore {
    pub(super) fn open(options: &Demo) -> Result<Self, DemoError> {
        let var = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| std::env::var(name).ok())
                .filter(|value| !value.is_empty())
        };
        let region = options.aws_region.clone();
        let region = region.or_else(|| var(["AWS_REGION", "AWS_DEFAULT_REGION"]));
        let region = region
            .ok_or_else(|| DemoError::Setup("give --aws-region, or set AWS_REGION".to_owned()))?;
        let endpoint_url = options.aws_endpoint_url.clone();
        let endpoint_url =
            endpoint_url.or_else(|| var(["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"]));
        let name = format!("keyward-demo-{}", uuid::Uuid::new_v4().simple());
        Ok(Self {
            endpoint_url,
            region,
            name,
        })
    }

    pub(super) async fn put(&self, key: &Zeroizing<String>) -> Result<(), DemoError> {
        let value = json!({ "api_key": key.as_str() }).to_string();
        let request = self
            .client()
            .await?
            .create_secret()
            .name(&self.name)
            .secret_string(value);
        request.send().await.map(drop).map_err(|_| {
            DemoError::Setup(
                "Secrets Manager did not take the demo's secret: are the credentials there, and \
                 may they create secrets?"
                    .to_owned(),
            )
        })
    }

    pub(super) async fn remove(&self) -> Result<(), DemoError> {
        let client = self.client().await?;
        let request = client
            .delete_secret()
            .secret_id(&self.name)
            .force_delete_without_recovery(true);
        request.send().await.map(drop).map_err(|_| {
            DemoError::Setup(format!(
                "the demo's secret {} could not be removed",
                self.name
            ))
        })
    }

    async fn client(&self) -> Result<Client, DemoError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()));
        if let Some(endpoint_url) = &self.endpoint_url {
            loader = loader.endpoint_url(endpoint_url);
            // A server on this machine needs no proxy and no authorities.
            if endpoint_url.starts_with("http://") {
                let client = http_client(ProxyConfig::disabled(), false)
                    .map_err(|error| DemoError::Setup(error.to_string()))?;
                loader = loader.http_client(client);
            }
        }
        Ok(Client::new(&loader.load().await))
    }

    pub(super) fn config(&self) -> String {
        let endpoint = self.endpoint_url.as_ref().map_or(String::new(), |url| {
            format!(", endpoint_url: {}", json!(url))
        });
        format!(
            "secrets:\n  chain: [aws]\n  providers:\n    aws: {{ region: {}{endpoint} }}\n  \
             names:\n    openai: {{ ref: \"aws:{}#api_key\" }}\n",
            json!(self.region),
            self.name
        )
    }

    pub(super) fn place(&self) -> String {
        let place = self.endpoint_url.as_deref().unwrap_or("AWS");
        format!(
            "Secrets Manager at {place}, region {}, {}",
            self.region, self.name
        )
    }
}

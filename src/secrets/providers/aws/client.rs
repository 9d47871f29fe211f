//! The client of Secrets Manager: built at first use, without credentials of its own. Each request
//! brings those it is sent with.

use aws_sdk_secretsmanager::{Client, config::Builder};
use tokio::sync::OnceCell;

use super::http::Ground;
use crate::secrets::providers::{ProviderError, endpoint::Endpoint};

/// A request is sent once: what is tried again, and when, is decided around the provider.
const ATTEMPTS: u32 = 1;

/// The client, once something has been asked.
pub(super) struct LazyClient {
    ground: Ground,
    endpoint: Option<Endpoint>,
    client: OnceCell<Client>,
}

impl LazyClient {
    pub(super) fn new(ground: Ground, endpoint: Option<Endpoint>) -> Self {
        Self {
            ground,
            endpoint,
            client: OnceCell::new(),
        }
    }

    pub(super) async fn get(&self) -> Result<&Client, ProviderError> {
        self.client.get_or_try_init(|| self.build()).await
    }

    /// What error messages call the place that was asked.
    pub(super) fn address(&self, region: Option<&str>) -> String {
        match (&self.endpoint, region.or(self.ground.region.as_deref())) {
            (Some(endpoint), _) => format!("Secrets Manager at {}", endpoint.address),
            (None, Some(region)) => format!("Secrets Manager in {region}"),
            (None, None) => "Secrets Manager".to_owned(),
        }
    }

    async fn build(&self) -> Result<Client, ProviderError> {
        // Without a way over TLS no roots are read: a machine may have none.
        let reads_roots = self.endpoint.as_ref().is_none_or(Endpoint::is_https);
        let mut loader = self.ground.loader(ATTEMPTS, reads_roots)?.no_credentials();
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(&endpoint.address);
        }
        let shared = loader.load().await;
        let mut config = Builder::from(&shared);
        if let Some(endpoint) = &self.endpoint {
            // Once more: a profile's endpoint for this service would win over the shared one.
            config = config.endpoint_url(&endpoint.address);
        }
        Ok(Client::from_conf(config.build()))
    }
}

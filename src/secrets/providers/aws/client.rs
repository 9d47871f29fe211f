//! The SDK's client: built at first use, with connections that end after one answer.
//!
//! What it may reach and how much it reads is decided in `guard`, around the HTTP client that all
//! of the SDK is given here.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, meta::credentials::CredentialsProviderChain, retry::RetryConfig,
};
use aws_sdk_secretsmanager::{
    Client,
    config::{Builder, IdentityCache, RuntimeComponents, SharedHttpClient, timeout::TimeoutConfig},
};
use aws_smithy_http_client::{
    Builder as HttpBuilder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use tokio::sync::OnceCell;

use super::{credentials::TakenCredentials, guard::Guarded};
use crate::secrets::providers::{ErrorKind, ProviderError, endpoint::Endpoint};

/// First try and retries of a throttled or failing AWS.
const ATTEMPTS: u32 = 3;

const CONNECT: Duration = Duration::from_secs(3);

/// What the client will be built from.
pub(super) struct Plan {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) allow_plaintext: bool,
    pub(super) proxy: Option<Proxy>,
    pub(super) credentials: TakenCredentials,
}

/// `HTTPS_PROXY` and the hosts that it is not for.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) url: String,
    pub(super) bypass: String,
}

/// The client, once something has been asked.
pub(super) struct LazyClient {
    plan: Plan,
    client: OnceCell<Client>,
}

impl LazyClient {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            client: OnceCell::new(),
        }
    }

    pub(super) async fn get(&self) -> Result<&Client, ProviderError> {
        self.client.get_or_try_init(|| self.plan.build()).await
    }

    /// What error messages call the place that was asked.
    pub(super) fn address(&self, region: Option<&str>) -> String {
        match (&self.plan.endpoint, region.or(self.plan.region.as_deref())) {
            (Some(endpoint), _) => format!("Secrets Manager at {}", endpoint.address),
            (None, Some(region)) => format!("Secrets Manager in {region}"),
            (None, None) => "Secrets Manager".to_owned(),
        }
    }
}

impl Plan {
    async fn build(&self) -> Result<Client, ProviderError> {
        // The deadline of the whole fetch is kept outside the SDK.
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http_client()?)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts);
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(&endpoint.address);
        }
        let shared = loader.load().await;
        let mut config = Builder::from(&shared);
        if let Some(endpoint) = &self.endpoint {
            // Once more: a profile's endpoint for this service would win over the shared one.
            config = config.endpoint_url(&endpoint.address);
        }
        if self.credentials.are_set() {
            config = config.identity_cache(IdentityCache::no_cache());
        }
        if let Some(found_by_sdk) = shared.credentials_provider() {
            let taken = self.credentials.clone();
            config = config.credentials_provider(
                CredentialsProviderChain::first_try("EnvironmentAtStart", taken)
                    .or_else("Default", found_by_sdk),
            );
        }
        Ok(Client::from_conf(config.build()))
    }

    fn http_client(&self) -> Result<SharedHttpClient, ProviderError> {
        let is_local = self.endpoint.as_ref().is_some_and(Endpoint::is_loopback);
        let proxy = match &self.proxy {
            Some(proxy) if !is_local => ProxyConfig::https(proxy.url.as_str())
                .map_err(|_| {
                    ProviderError::new(ErrorKind::Misconfigured, "HTTPS_PROXY is not an address")
                })?
                .no_proxy(&proxy.bypass),
            _ => ProxyConfig::disabled(),
        };
        // Without a way over TLS no roots are read: a machine may have none.
        let reads_roots = self.endpoint.as_ref().is_none_or(Endpoint::is_https);
        guarded_client(proxy, reads_roots, self.allow_plaintext)
    }
}

/// An HTTP client for the SDK that keeps no connection and sends no clear text to another machine.
/// `proxy` replaces what the proxy variables say; `reads_roots` is false where no way leads over
/// TLS.
///
/// # Errors
/// If the TLS library refuses its settings.
pub(crate) fn http_client(
    proxy: ProxyConfig,
    reads_roots: bool,
) -> Result<SharedHttpClient, ProviderError> {
    guarded_client(proxy, reads_roots, false)
}

fn guarded_client(
    proxy: ProxyConfig,
    reads_roots: bool,
    allow_plaintext: bool,
) -> Result<SharedHttpClient, ProviderError> {
    let tls = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_native_roots(reads_roots))
        .build()
        .map_err(|_| ProviderError::new(ErrorKind::Tls, "no HTTPS client could be made"))?;
    let connector = move |settings: Option<&_>, components: Option<&RuntimeComponents>| {
        let mut builder = Connector::builder()
            .pool_max_idle_per_host(0)
            .proxy_config(proxy.clone())
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(tls.clone());
        if let Some(settings) = settings {
            builder = builder.connector_settings(Clone::clone(settings));
        }
        if let Some(sleep) = components.and_then(RuntimeComponents::sleep_impl) {
            builder = builder.sleep_impl(sleep);
        }
        builder.build()
    };
    let plain = HttpBuilder::new().build_with_connector_fn(connector);
    Ok(SharedHttpClient::new(Guarded::new(plain, allow_plaintext)))
}

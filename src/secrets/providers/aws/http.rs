//! What every client of the SDK is given alike: the HTTP client, the region, the kind of endpoint.
//!
//! It stands apart because Secrets Manager and the logins before it must keep the same rules. The
//! HTTP client keeps no connection; what it may reach and how much it reads is decided in `guard`.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, retry::RetryConfig};
use aws_sdk_secretsmanager::config::{
    IdentityCache, RuntimeComponents, SharedHttpClient, timeout::TimeoutConfig,
};
use aws_smithy_http_client::{
    Builder as HttpBuilder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

use super::guard::Guarded;
use crate::{
    secrets::providers::{ErrorKind, ProviderError},
    settings::Environment,
};

const CONNECT: Duration = Duration::from_secs(3);

/// What no proxy is ever asked for: this machine.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// `HTTPS_PROXY` and the hosts that it is not for.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) url: String,
    pub(super) bypass: String,
}

impl Proxy {
    /// As the standard variables say.
    pub(super) fn of(environment: &dyn Environment) -> Option<Self> {
        let variable = |name: &str| environment.var(name).filter(|text| !text.is_empty());
        let url = variable("HTTPS_PROXY").or_else(|| variable("https_proxy"))?;
        let bypass = variable("NO_PROXY").or_else(|| variable("no_proxy"));
        Some(Self {
            url,
            bypass: bypass.unwrap_or_default(),
        })
    }
}

/// What all clients have in common.
#[derive(Clone)]
pub(super) struct Ground {
    /// `None`: the region that the SDK finds.
    pub(super) region: Option<String>,
    /// `None`: as the profile says.
    pub(super) fips: Option<bool>,
    /// `None`: as the profile says.
    pub(super) dual_stack: Option<bool>,
    pub(super) allow_plaintext: bool,
    pub(super) proxy: Option<Proxy>,
}

impl Ground {
    /// The beginning of a client: `attempts` is how often the SDK may send one request,
    /// `reads_roots` is false where no way leads over TLS.
    pub(super) fn loader(
        &self,
        attempts: u32,
        reads_roots: bool,
    ) -> Result<ConfigLoader, ProviderError> {
        // The deadline of the whole fetch is kept outside the SDK.
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http_client(reads_roots)?)
            .retry_config(RetryConfig::standard().with_max_attempts(attempts))
            .timeout_config(timeouts)
            // Credentials rest in our own pool, and nowhere else.
            .identity_cache(IdentityCache::no_cache());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(fips) = self.fips {
            loader = loader.use_fips(fips);
        }
        if let Some(dual_stack) = self.dual_stack {
            loader = loader.use_dual_stack(dual_stack);
        }
        Ok(loader)
    }

    fn http_client(&self, reads_roots: bool) -> Result<SharedHttpClient, ProviderError> {
        let proxy = match &self.proxy {
            Some(proxy) => ProxyConfig::https(proxy.url.as_str())
                .map_err(|_| {
                    ProviderError::new(ErrorKind::Misconfigured, "HTTPS_PROXY is not an address")
                })?
                .no_proxy(format!("{},{THIS_MACHINE}", proxy.bypass)),
            None => ProxyConfig::disabled(),
        };
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

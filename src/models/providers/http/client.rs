//! The HTTP client of one provider: built at first use, shared by its calls.
//!
//! Building reads the authorities to trust, which costs tens of milliseconds and fails where a
//! machine has none; so it is done once, away from the runtime's threads, and not at all for
//! plain HTTP. What it has in common with other clients is in [`outbound`].

use std::{path::Path, time::Duration};

use reqwest::{Client, ClientBuilder, Identity, Proxy};
use tokio::{sync::OnceCell, task::spawn_blocking};
use zeroize::Zeroizing;

use crate::{
    models::{Connections, ModelErrorKind, ProviderConfig},
    outbound,
    secrets::Lent,
};

/// How long a pooled connection may wait for its next use, and with it the buffer that may hold
/// the key.
const IDLE_LIMIT: Duration = Duration::from_secs(15);
/// How many may wait: as many as a burst of calls leaves behind.
const IDLE_CONNECTIONS: usize = 32;

/// A client that is built when it is first needed.
#[derive(Default)]
pub(super) struct LazyClient(OnceCell<Client>);

impl LazyClient {
    /// The client for `config`; the first caller builds it, and a failure is tried again.
    pub(super) async fn get(&self, config: &ProviderConfig) -> Result<Client, ModelErrorKind> {
        let built = self.0.get_or_try_init(|| built(config, None)).await;
        built
            .cloned()
            .map_err(|cause| ModelErrorKind::ClientSetup { cause })
    }
}

/// Why a certificate cannot be shown. In our words, for clients too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unproven {
    /// The key is another's: one of the two may have been renewed before the other.
    NoPair,
    /// Anything else.
    Unfit(&'static str),
}

impl From<Unproven> for ModelErrorKind {
    fn from(why: Unproven) -> Self {
        let cause = match why {
            Unproven::NoPair => {
                "the client certificate and its key are no pair, or the certificate is of X.509 \
                 version 1, which is too old"
            }
            Unproven::Unfit(what) => what,
        };
        Self::ClientSetup { cause }
    }
}

/// What the certificate of `config` and its `key` prove together.
pub(super) async fn identity(config: &ProviderConfig, key: &Lent) -> Result<Identity, Unproven> {
    let shown = config.client_certificate.as_ref();
    let file = shown.map(|shown| shown.file.clone()).unwrap_or_default();
    let chain = spawn_blocking(move || read_chain(&file)).await;
    let chain = chain.unwrap_or(None);
    let chain = chain.ok_or(Unproven::Unfit(
        "its `client_certificate_file` cannot be read",
    ))?;
    key.secret().expose(|pem| proven(&chain, pem))
}

/// A client of its own for one call: it shows `identity`, whose key goes with the last connection of
/// it.
pub(super) async fn showing(
    config: &ProviderConfig,
    identity: Identity,
) -> Result<Client, ModelErrorKind> {
    let client = built(config, Some(identity)).await;
    client.map_err(|cause| ModelErrorKind::ClientSetup { cause })
}

/// The longest certificate, with what is between it and its authority.
const MAX_CHAIN_BYTES: u64 = 64 * 1024;

/// What the file holds, if it is one and not too long.
fn read_chain(file: &Path) -> Option<Vec<u8>> {
    let found = std::fs::metadata(file).ok()?;
    let fits = found.is_file() && found.len() <= MAX_CHAIN_BYTES;
    fits.then(|| std::fs::read(file).ok()).flatten()
}

fn proven(chain: &[u8], key: &[u8]) -> Result<Identity, Unproven> {
    let has = |what: &[u8]| chain.windows(what.len()).any(|found| found == what);
    if has(b"PRIVATE KEY-----") {
        return Err(Unproven::Unfit(
            "its `client_certificate_file` holds a private key, which belongs in a secret",
        ));
    }
    if !has(b"-----BEGIN CERTIFICATE-----") {
        return Err(Unproven::Unfit(
            "its `client_certificate_file` holds no PEM certificate",
        ));
    }
    // One buffer of the right size: a growing one leaves its old self behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(chain.len() + key.len() + 1));
    whole.extend_from_slice(chain);
    whole.push(b'\n');
    whole.extend_from_slice(key);
    let identity = Identity::from_pem(&whole).map_err(|_| {
        Unproven::Unfit(
            "the secret that `client_key_secret` names is no private key in PEM without a \
             passphrase",
        )
    })?;
    // Without authorities, so that nothing but the pair can be at fault.
    let pair = Client::builder().tls_certs_only([]).no_proxy();
    let pair = pair.identity(identity.clone()).build();
    pair.map_err(|_| Unproven::NoPair)?;
    Ok(identity)
}

async fn built(
    config: &ProviderConfig,
    identity: Option<Identity>,
) -> Result<Client, &'static str> {
    let config = config.clone();
    let built = spawn_blocking(move || build(&config, identity)).await;
    built.unwrap_or(Err("the client could not be built"))
}

fn build(config: &ProviderConfig, identity: Option<Identity>) -> Result<Client, &'static str> {
    let encrypted = config.base_url.scheme() == "https";
    let roots = match &config.ca_file {
        Some(file) if encrypted => {
            let pem = std::fs::read(file).map_err(|_| "its `ca_file` cannot be read")?;
            Some(outbound::authorities(&pem).ok_or("its `ca_file` holds no PEM certificate")?)
        }
        _ => None,
    };
    let mut builder = outbound::client(&config.base_url, roots);
    if let Some(proxy) = &config.proxy {
        let proxy = Proxy::https(proxy.clone()).map_err(|_| "its `proxy` is refused")?;
        builder = builder.proxy(proxy);
    }
    let mut builder = builder
        .connect_timeout(config.timeouts.connect)
        .http2_max_header_list_size(64 * 1024);
    if let Some(identity) = identity {
        builder = builder.identity(identity);
    }
    pool(builder, config.connections).build().map_err(|_| {
        if encrypted && config.ca_file.is_none() {
            "no certificate authorities were found on this machine; install `ca-certificates`, \
             or name a PEM file with `ca_file`"
        } else {
            "the TLS settings were refused"
        }
    })
}

fn pool(builder: ClientBuilder, connections: Connections) -> ClientBuilder {
    match connections {
        Connections::Strict => builder.pool_max_idle_per_host(0),
        Connections::Pooled => builder
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_LIMIT),
    }
}

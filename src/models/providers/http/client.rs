//! The HTTP client of one provider: built at first use, shared by its calls.
//!
//! Building reads the authorities to trust, which costs tens of milliseconds and fails where a
//! machine has none; so it is done once, away from the runtime's threads, and not at all for
//! plain HTTP. What it has in common with other clients is in [`outbound`].

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Proxy};
use tokio::{sync::OnceCell, task::spawn_blocking};

use crate::{
    models::{Connections, ModelErrorKind, ProviderConfig},
    outbound,
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
    pub(super) async fn get(&self, config: &ProviderConfig) -> Result<&Client, ModelErrorKind> {
        self.0
            .get_or_try_init(|| async {
                let config = config.clone();
                let built = spawn_blocking(move || build(&config)).await;
                built.unwrap_or(Err("the client could not be built"))
            })
            .await
            .map_err(|cause| ModelErrorKind::ClientSetup { cause })
    }
}

fn build(config: &ProviderConfig) -> Result<Client, &'static str> {
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
    let builder = builder
        .connect_timeout(config.timeouts.connect)
        .http2_max_header_list_size(64 * 1024);
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

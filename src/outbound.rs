//! How Keyward reaches another server over HTTP: which addresses are this machine, and what every
//! client that carries a key or a login has in common.
//!
//! Clear text is allowed to this machine alone, so what counts as this machine is decided here,
//! once, by the text of an address: a name is not looked up. Timeouts, pools and protocols are
//! for each caller to set; nothing here connects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{Certificate, Client, ClientBuilder, Url, redirect, retry};

/// The one name that is this machine. `*.localhost` is not: resolvers may send it elsewhere.
const LOCALHOST: &str = "localhost";

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        // A URL keeps an IPv6 address in its brackets, and writes every host in lower case.
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == LOCALHOST
            || address
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

/// Whether a URL's host is of a private network, as far as its text tells: an address that is not
/// routed beyond one (RFC 1918, 3927, 4193, 4291, 6598), a name without a domain, or one below a
/// domain that is never public (RFC 6762, 8375; ICANN's `internal`).
pub(crate) fn is_private(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    match host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
    {
        Ok(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            address.is_private() || address.is_link_local() || address.is_loopback() || is_shared
        }
        Ok(IpAddr::V6(address)) => {
            address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback()
        }
        Err(_) => {
            let host = host.trim_end_matches('.');
            let never_public = [".local", ".internal", ".lan", ".home.arpa"];
            !host.contains('.') || never_public.iter().any(|domain| host.ends_with(domain))
        }
    }
}

/// A client for the server of `url`: it follows no redirect, retries nothing, and lets a proxy
/// see only what is encrypted and leaves this machine. `roots` replace the system's authorities.
pub(crate) fn client(url: &Url, roots: Option<Vec<Certificate>>) -> ClientBuilder {
    let is_encrypted = url.scheme() == "https";
    let mut builder = pin(Client::builder())
        .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false);
    if !is_encrypted || is_loopback(url) {
        // The system's proxy variables would else apply to 127.0.0.1 too, and to clear text.
        builder = builder.no_proxy();
    }
    if !is_encrypted {
        // No roots: a machine without certificate files must still reach its own loopback.
        builder.tls_certs_only([])
    } else if let Some(roots) = roots {
        builder.tls_certs_only(roots)
    } else {
        builder
    }
}

/// The authorities in a PEM bundle, if there is at least one.
pub(crate) fn authorities(pem: &[u8]) -> Option<Vec<Certificate>> {
    Certificate::from_pem_bundle(pem)
        .ok()
        .filter(|authorities| !authorities.is_empty())
}

/// `localhost` is trusted with clear text, so it must be this machine, whatever a resolver says.
fn pin(builder: ClientBuilder) -> ClientBuilder {
    let here = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    builder.resolve_to_addrs(LOCALHOST, &here.map(|address| SocketAddr::new(address, 0)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use reqwest::dns::{Name, Resolve, Resolving};
    use tokio::net::TcpListener;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn this_machine_is_told_by_the_text_of_an_address() {
        for here in [
            "http://127.0.0.1:8200",
            "http://127.9.9.9",
            "http://[::1]:1",
            "https://LOCALHOST:8200/v1",
        ] {
            assert!(is_loopback(&url(here)), "{here}");
        }
        for there in [
            "http://10.0.0.1",
            "http://localhost.example",
            "http://vault.localhost",
            "http://127.0.0.1.example",
            "unix:/run/socket",
        ] {
            assert!(!is_loopback(&url(there)), "{there}");
        }
    }

    #[test]
    fn a_private_network_is_told_by_the_text_of_an_address() {
        for here in [
            "http://10.1.2.3:11434",
            "http://172.31.0.1",
            "http://192.168.0.9",
            "http://100.64.0.1",
            "http://[fd00::1]",
            "http://[fe80::1]",
            "http://ollama:11434",
            "http://box.local",
            "http://gpu.internal.",
        ] {
            assert!(is_private(&url(here)), "{here}");
        }
        for there in [
            "http://172.32.0.1",
            "http://100.128.0.1",
            "http://8.8.8.8",
            "http://[2001:db8::1]",
            "http://models.example",
            "http://local.example",
            "http://10.0.0.1.example",
        ] {
            assert!(!is_private(&url(there)), "{there}");
        }
    }

    /// A resolver that sends every name nowhere.
    struct Nowhere;

    impl Resolve for Nowhere {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(async { Err("asked for a name".into()) })
        }
    }

    #[tokio::test]
    async fn localhost_is_this_machine_whatever_a_resolver_says() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = url(&format!(
            "http://localhost:{}",
            listener.local_addr().unwrap().port()
        ));
        let pinned = client(&url, None).dns_resolver(Arc::new(Nowhere));
        let request = pinned.build().unwrap().get(url.clone()).send();
        tokio::select! {
            arrived = listener.accept() => assert!(arrived.is_ok()),
            answered = request => panic!("it never arrived: {answered:?}"),
        }
        let plain = Client::builder().dns_resolver(Arc::new(Nowhere)).no_proxy();
        let failed = plain.build().unwrap().get(url).send().await.unwrap_err();
        assert!(failed.is_connect());
    }
}

//! One fresh TLS 1.3 connection: the yardstick for `connections: strict`.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        client::Resumption,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};

use crate::upstream::Upstream;

/// Connects to one upstream, never resuming an earlier session.
pub struct Fresh(TlsConnector);

impl Fresh {
    /// Trusts the upstream's authority.
    pub fn new(upstream: &Upstream) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(upstream.authority.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self(TlsConnector::from(Arc::new(config)))
    }

    /// TCP and TLS, until the client could send its request.
    pub async fn connect(&self, upstream: &Upstream) {
        let stream = TcpStream::connect(upstream.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::from(upstream.address.ip());
        drop(self.0.connect(name, stream).await.unwrap());
    }
}

//! A certificate authority made for one test, and HTTPS servers that speak the protocol a test
//! wants.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, serve::Listener};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{ClientCertVerifierBuilder, WebPkiClientVerifier},
    },
    server::TlsStream,
};

use super::runtime;

/// A CA that only the test trusts.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
    /// The same in a file.
    pub ca_file: PathBuf,
    _folder: TempDir,
}

/// A server's certificate and key.
pub struct ServerCertificate {
    /// The certificate.
    pub chain_pem: String,
    /// Its private key.
    pub key_pem: String,
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    /// A new CA.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params
            .distinguished_name
            .push(DnType::CommonName, "Keyward test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        let pem = issuer.pem();
        std::fs::write(&ca_file, &pem).unwrap();
        Self {
            issuer,
            pem,
            ca_file,
            _folder: folder,
        }
    }

    /// The certificate of whoever has `key`, as PEM.
    pub fn sign(&self, params: CertificateParams, key: &KeyPair) -> String {
        params.signed_by(key, &self.issuer).unwrap().pem()
    }

    /// A certificate for these host names and addresses.
    pub fn certify(&self, names: &[&str]) -> ServerCertificate {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "Keyward test server");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        ServerCertificate {
            chain_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }
}

/// What a TLS server offers by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Only `http/1.1`.
    Http1,
    /// Only `h2`.
    Http2,
}

/// An HTTPS server on loopback, ended when dropped.
#[derive(Debug)]
pub struct HttpsServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl HttpsServer {
    /// Serves `router` as `127.0.0.1` and `localhost` with a certificate of `authority`.
    pub fn start(authority: &Authority, protocol: Protocol, router: Router) -> Self {
        Self::start_as(authority, &["127.0.0.1", "localhost"], protocol, router)
    }

    /// The same with a certificate for other names, which a client must refuse.
    pub fn start_as(
        authority: &Authority,
        names: &[&str],
        protocol: Protocol,
        router: Router,
    ) -> Self {
        Self::start_with(authority.certify(names), None, protocol, router)
    }

    /// The same as [`HttpsServer::start`], for clients that show a certificate of `clients`, an
    /// authority's certificate as PEM.
    pub fn start_demanding(
        authority: &Authority,
        clients: &str,
        protocol: Protocol,
        router: Router,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(clients.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let certificate = authority.certify(&["127.0.0.1", "localhost"]);
        Self::start_with(certificate, Some(verifier), protocol, router)
    }

    fn start_with(
        certificate: ServerCertificate,
        clients: Option<ClientCertVerifierBuilder>,
        protocol: Protocol,
        router: Router,
    ) -> Self {
        // Named, not the process's default: which that is depends on what else is linked.
        let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
        let tls = match clients {
            Some(verifier) => tls.with_client_cert_verifier(verifier.build().unwrap()),
            None => tls.with_no_client_auth(),
        };
        let mut tls = tls
            .with_single_cert(vec![certificate.der], certificate.key)
            .unwrap();
        tls.alpn_protocols = vec![match protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = runtime::run(async { TcpListener::bind("127.0.0.1:0").await.unwrap() });
        let address = listener.local_addr().unwrap();
        let task = runtime::handle().spawn(async move {
            let _ = axum::serve(TlsListener { listener, acceptor }, router).await;
        });
        Self { address, task }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A plain HTTP server on loopback, ended when dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl HttpServer {
    /// Serves `router`.
    pub fn start(router: Router) -> Self {
        let listener = runtime::run(async { TcpListener::bind("127.0.0.1:0").await.unwrap() });
        let address = listener.local_addr().unwrap();
        let task = runtime::handle().spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { address, task }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    /// Handshakes one by one: a client that refuses our certificate costs the next one nothing, a
    /// client that says nothing costs it five seconds.
    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let handshake = timeout(Duration::from_secs(5), self.acceptor.accept(stream));
            if let Ok(Ok(stream)) = handshake.await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

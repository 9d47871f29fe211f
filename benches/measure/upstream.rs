//! An upstream that answers at once, in plain text or over TLS 1.3, on a thread of its own.
//!
//! It answers with a small event stream in one piece, and takes one key only, so that a call that
//! came back with an answer did all that a call must do.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer, version::TLS13},
};

/// The only key that is taken.
pub const KEY: &str = "sk-measure-4f7Qz1LmXw93RkTbVn8Hs2JdYc6Pg0Ua";
/// A word of the answer.
pub const ANSWER: &str = "pong-from-upstream";

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Plain HTTP/1.1.
    Plain,
    /// TLS 1.3 and HTTP/1.1.
    Tls1,
    /// TLS 1.3 and HTTP/2.
    Tls2,
}

/// A running upstream, ended when dropped.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    /// The authority to trust, as PEM.
    pub authority: String,
    wire: Wire,
    _runtime: Runtime,
}

impl Upstream {
    /// Starts one.
    pub fn start(wire: Wire) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (authority, acceptor) = tls(wire);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/chat/completions", post(answer));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (router, acceptor) = (router.clone(), acceptor.clone());
                tokio::spawn(async move {
                    if wire == Wire::Plain {
                        serve(stream, router).await;
                    } else if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, router).await;
                    }
                });
            }
        });
        Self {
            address,
            authority,
            wire,
            _runtime: runtime,
        }
    }

    /// What a configuration writes as `base_url`.
    pub fn base_url(&self) -> String {
        let scheme = match self.wire {
            Wire::Plain => "http",
            Wire::Tls1 | Wire::Tls2 => "https",
        };
        format!("{scheme}://{}/v1", self.address)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, router: Router) {
    let service = TowerToHyperService::new(router);
    // A client that closes its connection is no error here.
    let _closed = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(headers: HeaderMap, _body: axum::body::Bytes) -> impl IntoResponse {
    let shown = headers.get(header::AUTHORIZATION);
    if shown.is_none_or(|shown| shown.as_bytes().strip_prefix(b"Bearer ") != Some(KEY.as_bytes())) {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::CONTENT_TYPE, "text/plain")],
            "",
        );
    }
    const EVENTS: &str = concat!(
        r#"data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"instant","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        "\n\n",
        r#"data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"instant","choices":[{"index":0,"delta":{"content":"pong-from-upstream"},"finish_reason":null}]}"#,
        "\n\n",
        r#"data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"instant","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "\n\ndata: [DONE]\n\n",
    );
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "text/event-stream")],
        EVENTS,
    )
}

/// An authority and an acceptor with its certificate for 127.0.0.1.
fn tls(wire: Wire) -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![match wire {
        Wire::Tls2 => b"h2".to_vec(),
        Wire::Plain | Wire::Tls1 => b"http/1.1".to_vec(),
    }];
    (issuer.pem(), TlsAcceptor::from(Arc::new(config)))
}

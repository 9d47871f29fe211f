//! A proxy before a plain-HTTP server that counts what passes and, when told, holds the answers.
//!
//! It asks the server first and holds the answer, not the request: what a test pauses has happened
//! on the other side.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use reqwest::Client;
use tokio::sync::watch;

use super::{arrivals::Arrivals, tls::HttpServer};

/// The proxy, open until [`PausingProxy::hold`].
#[derive(Debug)]
pub struct PausingProxy {
    server: HttpServer,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    client: Client,
    /// Answers to paths with this part are held.
    held: watch::Sender<Option<String>>,
    requests: Arrivals<String>,
}

impl PausingProxy {
    /// Before the server at `target`, such as `http://127.0.0.1:8200`.
    pub fn start(target: &str) -> Self {
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            client: Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .build()
                .unwrap(),
            held: watch::Sender::new(None),
            requests: Arrivals::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        Self {
            server: HttpServer::start(router),
            shared,
        }
    }

    /// `http://127.0.0.1:PORT`, to be used in place of the target.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Holds answers to every path that contains `part` (`""` for all), until released.
    pub fn hold(&self, part: &str) {
        self.shared.held.send_replace(Some(part.to_owned()));
    }

    /// Lets all held answers go, and later ones pass.
    pub fn release(&self) {
        self.shared.held.send_replace(None);
    }

    /// What has arrived so far, as `GET /v1/…`, in order.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.all()
    }

    /// How many requests to paths that contain `part` have arrived.
    pub fn count(&self, part: &str) -> usize {
        self.shared.requests.count(|request| request.contains(part))
    }

    /// Waits until `number` requests to paths that contain `part` have arrived.
    #[track_caller]
    pub fn wait_for_requests(&self, number: usize, part: &str) {
        self.shared
            .requests
            .wait_for(number, |request| request.contains(part));
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    shared.requests.push(format!("{} {path}", request.method()));
    let (status, headers, body) = match forward(&shared, &path, request).await {
        Ok(answer) => answer,
        Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    };
    let mut held = shared.held.subscribe();
    let open = |held: &Option<String>| held.as_ref().is_none_or(|part| !path.contains(part));
    let _ = held.wait_for(open).await;
    (status, headers, body).into_response()
}

async fn forward(
    shared: &Shared,
    path: &str,
    request: Request,
) -> Result<(StatusCode, HeaderMap, Body), reqwest::Error> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let answer = shared
        .client
        .request(parts.method, format!("{}{path}", shared.target))
        .headers(headers)
        .body(body)
        .timeout(Duration::from_secs(30))
        .send()
        .await?;
    let status = answer.status();
    let mut headers = answer.headers().clone();
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONNECTION);
    Ok((status, headers, Body::from(answer.bytes().await?)))
}

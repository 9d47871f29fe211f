//! A TLS proxy before the real OpenBao that reads along: a login's token is known to the server
//! and to who logged in, and a test that looks for it must learn it on the way.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use reqwest::{Certificate, Client};
use serde_json::Value;

use crate::support::{
    arrivals::Arrivals,
    tls::{Authority, HttpsServer, Protocol},
};

pub struct RecordingProxy {
    server: HttpsServer,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    client: Client,
    answers: Arrivals<String>,
    stalled: Mutex<Option<&'static str>>,
}

impl RecordingProxy {
    /// As `authority` certifies it, before `target`, whose own authority is `pem`.
    pub fn start(authority: &Authority, target: &str, pem: &str) -> Self {
        let root = Certificate::from_pem(pem.as_bytes()).unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([root]);
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            client: client.build().unwrap(),
            answers: Arrivals::default(),
            stalled: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let server = HttpsServer::start(authority, Protocol::Http1, router);
        Self { server, shared }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Answers to paths with this part stop short of their end.
    pub fn stall(&self, part: &'static str) {
        *self.shared.stalled.lock().unwrap() = Some(part);
    }

    /// Whether `text` stood in an answer.
    pub fn passed(&self, text: &str) -> bool {
        self.shared.answers.count(|answer| answer.contains(text)) > 0
    }

    /// Waits until `number` answers have held `text`.
    #[track_caller]
    pub fn wait_for(&self, number: usize, text: &str) {
        self.shared
            .answers
            .wait_for(number, |answer| answer.contains(text));
    }

    /// The tokens that logins gave, in order.
    pub fn tokens(&self) -> Vec<String> {
        let answers = self.shared.answers.all();
        let parsed = answers
            .iter()
            .filter_map(|text| serde_json::from_str::<Value>(text).ok());
        parsed
            .filter_map(|answer| Some(answer["auth"]["client_token"].as_str()?.to_owned()))
            .collect()
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let asked = shared
        .client
        .request(parts.method, format!("{}{path}", shared.target))
        .headers(headers)
        .body(body);
    let Ok(answer) = asked.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    shared.answers.push(text.clone());
    let stalled = *shared.stalled.lock().unwrap();
    let body = if stalled.is_some_and(|part| path.contains(part)) {
        let end = text.trim_end().len().saturating_sub(2);
        unending(Bytes::from(text[..end].to_owned()))
    } else {
        Body::from(text)
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A body that never ends.
fn unending(start: Bytes) -> Body {
    let start = stream::iter([Ok::<_, Infallible>(start)]);
    Body::from_stream(start.chain(stream::pending()))
}

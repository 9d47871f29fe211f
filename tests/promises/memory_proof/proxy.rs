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
use reqwest::{Certificate, Client, Identity};
use serde_json::Value;
use tokio::sync::watch;

use crate::support::{
    arrivals::Arrivals,
    tls::{Authority, HttpsServer, Protocol},
};

pub struct RecordingProxy {
    server: HttpsServer,
    shared: Arc<Shared>,
}

/// What it does besides reading along.
#[derive(Default)]
pub struct Manner {
    /// It demands a certificate of this authority, and shows this one with its key to the server;
    /// all PEM.
    pub certificate: Option<(String, String)>,
    /// OpenBao has no login for AWS: one that is made there is answered by an AppRole login with
    /// this body.
    pub instead_of_aws: Option<Value>,
}

struct Shared {
    target: String,
    client: Client,
    answers: Arrivals<Answer>,
    stalled: Mutex<Option<&'static str>>,
    /// Answers to paths with this part are held.
    held: watch::Sender<Option<&'static str>>,
    instead_of_aws: Option<Value>,
}

#[derive(Debug, Clone)]
struct Answer {
    path: String,
    text: String,
}

impl RecordingProxy {
    /// As `authority` certifies it, before `target`, whose own authority is `pem`.
    pub fn start(authority: &Authority, target: &str, pem: &str) -> Self {
        Self::start_in(Manner::default(), authority, target, pem)
    }

    /// The same, doing more than that.
    pub fn start_in(manner: Manner, authority: &Authority, target: &str, pem: &str) -> Self {
        let root = Certificate::from_pem(pem.as_bytes()).unwrap();
        let mut client = Client::builder().no_proxy().tls_certs_only([root]);
        if let Some((_, identity)) = &manner.certificate {
            client = client.identity(Identity::from_pem(identity.as_bytes()).unwrap());
        }
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            client: client.build().unwrap(),
            answers: Arrivals::default(),
            stalled: Mutex::default(),
            held: watch::Sender::new(None),
            instead_of_aws: manner.instead_of_aws,
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let server = match &manner.certificate {
            Some((clients, _)) => {
                HttpsServer::start_demanding(authority, clients, Protocol::Http1, router)
            }
            None => HttpsServer::start(authority, Protocol::Http1, router),
        };
        Self { server, shared }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Answers to paths with this part stop short of their end.
    pub fn stall(&self, part: &'static str) {
        *self.shared.stalled.lock().unwrap() = Some(part);
    }

    /// Holds answers to paths with this part, until released. The server has answered by then.
    pub fn hold(&self, part: &'static str) {
        self.shared.held.send_replace(Some(part));
    }

    /// Lets held answers go.
    pub fn release(&self) {
        self.shared.held.send_replace(None);
    }

    /// Whether `text` stood in an answer.
    pub fn passed(&self, text: &str) -> bool {
        let answers = &self.shared.answers;
        answers.count(|answer| answer.text.contains(text)) > 0
    }

    /// How many requests to paths with this part the server has answered.
    pub fn count(&self, part: &str) -> usize {
        let answers = &self.shared.answers;
        answers.count(|answer| answer.path.contains(part))
    }

    /// Waits until the server has answered `number` requests to paths with this part.
    #[track_caller]
    pub fn wait_for_path(&self, number: usize, part: &str) {
        let answers = &self.shared.answers;
        answers.wait_for(number, |answer| answer.path.contains(part));
    }

    /// The tokens that logins gave, in order.
    pub fn tokens(&self) -> Vec<String> {
        self.told("/login", "/auth/client_token")
    }

    /// The secret ids that were unwrapped, in order.
    pub fn secret_ids(&self) -> Vec<String> {
        self.told("/unwrap", "/data/secret_id")
    }

    /// What stood at `pointer` in the answers to paths with this part.
    fn told(&self, part: &str, pointer: &str) -> Vec<String> {
        let answers = self.shared.answers.all();
        let of_path = answers.iter().filter(|answer| answer.path.contains(part));
        let parsed = of_path.filter_map(|answer| serde_json::from_str::<Value>(&answer.text).ok());
        parsed
            .filter_map(|answer| Some(answer.pointer(pointer)?.as_str()?.to_owned()))
            .collect()
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let mut path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Some(login) = &shared.instead_of_aws
        && path == "/v1/auth/aws/login"
    {
        path = "/v1/auth/approle/login";
        body = login.to_string().into();
    }
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
    shared.answers.push(Answer {
        path: path.to_owned(),
        text: text.clone(),
    });
    let stalled = *shared.stalled.lock().unwrap();
    let body = if stalled.is_some_and(|part| path.contains(part)) {
        let end = text.trim_end().len().saturating_sub(2);
        unending(Bytes::from(text[..end].to_owned()))
    } else {
        Body::from(text)
    };
    let mut held = shared.held.subscribe();
    let _ = held
        .wait_for(|part| part.is_none_or(|part| !path.contains(part)))
        .await;
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A body that never ends.
fn unending(start: Bytes) -> Body {
    let start = stream::iter([Ok::<_, Infallible>(start)]);
    Body::from_stream(start.chain(stream::pending()))
}

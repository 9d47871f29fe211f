//! A stand-in for an AI vendor's chat/completions API, strict about its dialect, that tells which
//! key it was shown.
//!
//! It is ours and not a public mock, because it must hold answers, notice that it was left, echo
//! keys where no vendor should, and refuse what the other dialect would take.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    arrivals::Arrivals,
    tls::{Authority, HttpServer, HttpsServer, Protocol},
    vendors::Vendor,
};

/// The model that both dialects know.
pub const MODEL: &str = "stand-in";
/// A model whose temperature is fixed.
pub const FIXED_TEMPERATURE_MODEL: &str = "stand-in-fixed";
/// What it answers unless told otherwise.
pub const ANSWER: &str = "The stand-in answers: pong.";

/// Whose dialect it speaks, and refuses every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's own: `max_completion_tokens`, `stream_options`, a key.
    OpenAi,
    /// Ollama's and its like: `max_tokens`, no `stream_options`, plain JSON although a stream was
    /// asked for, no key.
    Ollama,
    /// A vendor's own protocol.
    Of(Vendor),
}

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The path asked for.
    pub path: String,
    /// What stands behind `?`.
    pub query: Option<String>,
    /// Header names in lower case, with their values.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Value,
}

impl Seen {
    /// The bearer token.
    pub fn key(&self) -> Option<&str> {
        self.headers.get("authorization")?.strip_prefix("Bearer ")
    }
}

type Script = Box<dyn Fn(&Seen) -> Option<Response> + Send + Sync>;

/// A running stand-in, ended when dropped.
pub struct Upstream {
    server: Server,
    shared: Arc<Shared>,
}

enum Server {
    Plain(HttpServer),
    Tls(HttpsServer),
}

/// Whose answers are held.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    None,
    All,
    /// Those to requests with this key.
    Key(String),
}

struct Shared {
    dialect: Dialect,
    /// The keys that are taken; none of them takes requests without a key only.
    keys: Mutex<Vec<String>>,
    seen: Arrivals<Seen>,
    abandoned: Arrivals<()>,
    held: watch::Sender<Held>,
    script: Mutex<Option<Script>>,
}

impl Upstream {
    /// Plain HTTP on loopback; takes exactly `key`, or exactly none.
    pub fn start(dialect: Dialect, key: Option<&str>) -> Self {
        let (router, shared) = Shared::router(dialect, key);
        Self {
            server: Server::Plain(HttpServer::start(router)),
            shared,
        }
    }

    /// The same over TLS with a certificate of `authority`.
    pub fn start_tls(
        authority: &Authority,
        protocol: Protocol,
        dialect: Dialect,
        key: Option<&str>,
    ) -> Self {
        let (router, shared) = Shared::router(dialect, key);
        Self {
            server: Server::Tls(HttpsServer::start(authority, protocol, router)),
            shared,
        }
    }

    /// The same, for clients that show a certificate of `clients`, an authority's as PEM.
    pub fn start_demanding(
        authority: &Authority,
        clients: &str,
        protocol: Protocol,
        key: Option<&str>,
    ) -> Self {
        let (router, shared) = Shared::router(Dialect::OpenAi, key);
        let server = HttpsServer::start_demanding(authority, clients, protocol, router);
        Self {
            server: Server::Tls(server),
            shared,
        }
    }

    /// What a configuration writes as `base_url`.
    pub fn base_url(&self) -> String {
        let url = match &self.server {
            Server::Plain(server) => server.url(),
            Server::Tls(server) => server.url(),
        };
        match self.shared.dialect {
            Dialect::Of(vendor) => format!("{url}{}", vendor.base_path()),
            Dialect::OpenAi | Dialect::Ollama => format!("{url}/v1"),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match &self.server {
            Server::Plain(server) => server.address(),
            Server::Tls(server) => server.address(),
        }
    }

    /// What has arrived.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.all()
    }

    /// The keys it was shown, in order; `None` where there was none.
    pub fn keys(&self) -> Vec<Option<String>> {
        self.seen()
            .iter()
            .map(|seen| seen.key().map(str::to_owned))
            .collect()
    }

    /// Waits until `number` requests have arrived.
    #[track_caller]
    pub fn wait_for_requests(&self, number: usize) {
        self.shared.seen.wait_for(number, |_| true);
    }

    /// Waits until `number` requests with `key` have arrived.
    #[track_caller]
    pub fn wait_for_key(&self, number: usize, key: &str) {
        self.shared
            .seen
            .wait_for(number, |seen| seen.key() == Some(key));
    }

    /// Takes these keys and no other from now on: requests whose answer is held, too.
    pub fn take(&self, keys: &[&str]) {
        *self.shared.keys.lock().unwrap() = keys.iter().map(|&key| key.to_owned()).collect();
    }

    /// Holds every answer from now on, until released.
    pub fn hold(&self) {
        self.shared.held.send_replace(Held::All);
    }

    /// Holds every answer to a request with `key`, and no other, until released.
    pub fn hold_key(&self, key: &str) {
        self.shared.held.send_replace(Held::Key(key.to_owned()));
    }

    /// Lets held answers go.
    pub fn release(&self) {
        self.shared.held.send_replace(Held::None);
    }

    /// Waits until `number` clients have gone away from a held answer.
    #[track_caller]
    pub fn wait_for_abandoned(&self, number: usize) {
        self.shared.abandoned.wait_for(number, |()| true);
    }

    /// Answers as `script` says where it says something; the key is not asked for then.
    pub fn script(&self, script: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Some(Box::new(script));
    }
}

impl Shared {
    fn router(dialect: Dialect, key: Option<&str>) -> (Router, Arc<Self>) {
        let shared = Arc::new(Self {
            dialect,
            keys: Mutex::new(key.into_iter().map(str::to_owned).collect()),
            seen: Arrivals::default(),
            abandoned: Arrivals::default(),
            held: watch::Sender::new(Held::None),
            script: Mutex::new(None),
        });
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .fallback(answer);
        (router.with_state(Arc::clone(&shared)), shared)
    }

    /// What is wrong with a request, as the vendor would say it.
    fn refuse(&self, seen: &Seen) -> Option<Response> {
        if let Dialect::Of(vendor) = self.dialect {
            let (header, before) = vendor.key_header();
            let shown = seen.headers.get(header);
            let shown = shown.and_then(|value| value.strip_prefix(before));
            let keys = self.keys.lock().unwrap();
            if !shown.is_some_and(|shown| keys.iter().any(|key| key == shown)) {
                return Some(vendor.refuse_key(shown.unwrap_or("none")));
            }
            return vendor.refuse(seen);
        }
        let keys = self.keys.lock().unwrap();
        let is_taken = match seen.key() {
            Some(shown) => keys.iter().any(|key| key == shown),
            None => keys.is_empty(),
        };
        if !is_taken {
            // A real vendor quotes part of the key; this one is worse and quotes all of it.
            let shown = seen.key().unwrap_or("none");
            let message = format!("Incorrect API key provided: {shown}");
            return Some(refusal(
                StatusCode::UNAUTHORIZED,
                "invalid_api_key",
                &message,
            ));
        }
        if seen.path != "/v1/chat/completions" {
            return Some(refusal(StatusCode::NOT_FOUND, "not_found", "no such path"));
        }
        let model = seen.body["model"].as_str().unwrap_or_default();
        if model != MODEL && model != FIXED_TEMPERATURE_MODEL {
            return Some(refusal(
                StatusCode::NOT_FOUND,
                "model_not_found",
                "no such model",
            ));
        }
        if model == FIXED_TEMPERATURE_MODEL && seen.body.get("temperature").is_some() {
            let message = "Only the default temperature is supported with this model.";
            return Some(refusal(
                StatusCode::BAD_REQUEST,
                "unsupported_value",
                message,
            ));
        }
        let known: &[&str] = match self.dialect {
            Dialect::OpenAi => &[
                "model",
                "messages",
                "stream",
                "stream_options",
                "temperature",
                "max_completion_tokens",
            ],
            Dialect::Ollama => &["model", "messages", "stream", "temperature", "max_tokens"],
            Dialect::Of(_) => &[],
        };
        let fields = seen
            .body
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.iter());
        for (name, value) in fields {
            if !known.contains(&name.as_str()) || value.is_null() {
                let message = format!("Unsupported parameter: '{name}'");
                return Some(refusal(
                    StatusCode::BAD_REQUEST,
                    "unsupported_parameter",
                    &message,
                ));
            }
        }
        None
    }
}

/// Counts a held answer whose client went away: hyper drops the handler then.
struct Waiting<'a> {
    shared: &'a Shared,
    ended: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.abandoned.push(());
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20)
        .await
        .unwrap_or_default();
    let header = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    };
    let seen = Seen {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers.iter().map(header).collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    shared.seen.push(seen.clone());
    {
        let mut waiting = Waiting {
            shared: &shared,
            ended: false,
        };
        let mut held = shared.held.subscribe();
        let is_open = |held: &Held| match held {
            Held::None => true,
            Held::All => false,
            Held::Key(key) => seen.key() != Some(key),
        };
        let _ = held.wait_for(is_open).await;
        waiting.ended = true;
    }
    let scripted = shared
        .script
        .lock()
        .unwrap()
        .as_ref()
        .and_then(|script| script(&seen));
    if let Some(response) = scripted {
        return response;
    }
    match shared.refuse(&seen) {
        Some(refusal) => refusal,
        None if matches!(shared.dialect, Dialect::Of(_)) => match shared.dialect {
            Dialect::Of(vendor) => vendor.answer(ANSWER),
            Dialect::OpenAi | Dialect::Ollama => unreachable!(),
        },
        None if shared.dialect == Dialect::OpenAi && seen.body["stream"] == true => {
            let usage = seen.body["stream_options"]["include_usage"] == true;
            event_stream(&events(ANSWER, usage))
        }
        None => json_answer(StatusCode::OK, &completion(ANSWER)),
    }
}

/// A vendor's error.
pub fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let kind = if status == StatusCode::UNAUTHORIZED {
        "auth"
    } else {
        "invalid_request_error"
    };
    let error = json!({ "error": { "message": message, "type": kind, "code": code } });
    json_answer(status, &error)
}

/// JSON, as the vendor would send it.
pub fn json_answer(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

/// An answer in one piece.
pub fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL,
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": text },
        }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12 },
    })
}

/// The same as an event stream, a word an event.
pub fn events(text: &str, usage: bool) -> String {
    let event = |choices: Value, usage: Value| {
        let mut event = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": choices,
        });
        if !usage.is_null() {
            event["usage"] = usage;
        }
        format!("data: {event}\n\n")
    };
    let choice = |delta: Value, finish: Value| {
        event(
            json!([{ "index": 0, "delta": delta, "finish_reason": finish }]),
            Value::Null,
        )
    };
    let mut stream = choice(json!({ "role": "assistant", "content": "" }), Value::Null);
    for word in text.split_inclusive(' ') {
        stream += &choice(json!({ "content": word }), Value::Null);
    }
    stream += &choice(json!({}), json!("stop"));
    if usage {
        let counted = json!({ "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12 });
        stream += &event(json!([]), counted);
    }
    stream + "data: [DONE]\n\n"
}

/// A response that carries an event stream.
pub fn event_stream(events: &str) -> Response {
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        events.to_owned(),
    )
        .into_response()
}

/// A body that arrives byte by byte.
pub fn bytewise(text: &str) -> Body {
    let bytes: Vec<Bytes> = text.bytes().map(|byte| Bytes::from(vec![byte])).collect();
    Body::from_stream(stream::iter(
        bytes.into_iter().map(Ok::<_, std::convert::Infallible>),
    ))
}

//! The stand-in as a server: its state, its routes and its listener.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    behaviour::{Behaviour, Form, Place},
    dialect::{Asked, Dialect, StandInModel},
    reply::{self, Step, Wording},
    seen::{Counts, KeyDigest, KeySeen, Seen},
};

const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Every answer carries it, as OpenAI's do.
const REQUEST_ID: &str = "req_00000000000000000000000000000001";

/// What a stand-in is like.
#[derive(Debug, Clone)]
pub struct StandInSettings {
    /// Whose requests it understands.
    pub dialect: Dialect,
    /// The one key it accepts; `None` asks for none.
    pub key: Option<KeyDigest>,
    /// The models it pretends to have.
    pub models: Vec<StandInModel>,
    /// What it answers.
    pub reply: String,
}

/// A stand-in, to be scripted and asked what it saw.
#[derive(Clone)]
pub struct StandIn(Arc<Shared>);

pub(super) struct Shared {
    settings: StandInSettings,
    script: Mutex<VecDeque<Behaviour>>,
    seen: Mutex<Vec<Seen>>,
    counts: watch::Sender<Counts>,
    releases: Semaphore,
}

/// A stand-in that listens. Dropping it closes the listener.
pub struct Serving {
    /// The stand-in.
    pub stand_in: StandIn,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl StandIn {
    /// A stand-in that listens nowhere yet.
    #[must_use]
    pub fn new(settings: StandInSettings) -> Self {
        Self(Arc::new(Shared {
            settings,
            script: Mutex::default(),
            seen: Mutex::default(),
            counts: watch::Sender::default(),
            releases: Semaphore::new(0),
        }))
    }

    /// Its routes, for a listener of the caller's making. The API's base is `/v1`.
    pub fn router(&self) -> Router {
        Router::new()
            .fallback(visit)
            .with_state(Arc::clone(&self.0))
    }

    /// Listens on a free port of 127.0.0.1, in plain HTTP.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn serve(self) -> io::Result<Serving> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let service = self
            .router()
            .into_make_service_with_connect_info::<SocketAddr>();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            // It ends when it is told to; nobody is left to hear of an error then.
            let _ = axum::serve(listener, service)
                .with_graceful_shutdown(stopped)
                .await;
        });
        Ok(Serving {
            stand_in: self,
            address,
            stop,
            task,
        })
    }

    /// Says what becomes of the next request that is not yet scripted.
    pub fn script(&self, behaviour: Behaviour) {
        lock(&self.0.script).push_back(behaviour);
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.0.seen).clone()
    }

    /// How many requests have come how far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.0.counts.borrow()
    }

    /// Waits until the counts are as wished for.
    pub async fn wait_until(&self, reached: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.0.counts.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        counts
            .wait_for(reached)
            .await
            .map(|counts| *counts)
            .unwrap_or_default()
    }

    /// Lets so many held requests go on, now or when they come.
    pub fn release(&self, requests: usize) {
        self.0.releases.add_permits(requests);
    }
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to write as `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

impl Shared {
    /// Waits for a release.
    pub(super) async fn held(&self) {
        // The semaphore is never closed.
        if let Ok(permit) = self.releases.acquire().await {
            permit.forget();
        }
    }
}

/// A request being answered; dropped early, its client has gone away.
pub(super) struct Visit {
    shared: Arc<Shared>,
    answered: bool,
}

impl Visit {
    fn new(shared: Arc<Shared>) -> Self {
        shared.counts.send_modify(|counts| counts.arrived += 1);
        Self {
            shared,
            answered: false,
        }
    }

    /// The last byte has been handed over.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let answered = self.answered;
        self.shared.counts.send_modify(|counts| {
            if answered {
                counts.answered += 1;
            } else {
                counts.abandoned += 1;
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn visit(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let bearer = bearer(&parts.headers);
    let key = match (&bearer, &shared.settings.key) {
        (None, _) => KeySeen::Absent,
        (Some(key), Some(digest)) if digest.fits(key.as_bytes()) => KeySeen::Right,
        (Some(_), _) => KeySeen::Wrong,
    };
    let headers = parts
        .headers
        .iter()
        .filter(|(name, _)| *name != header::AUTHORIZATION);
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    lock(&shared.seen).push(Seen {
        path: parts.uri.to_string(),
        protocol: format!("{:?}", parts.version),
        peer: parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0),
        key,
        headers: headers
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: body.clone(),
    });
    let visit = Visit::new(Arc::clone(&shared));
    if parts.method != "POST" || parts.uri.path() != "/v1/chat/completions" {
        visit.answered();
        return (StatusCode::NOT_FOUND, "404 page not found").into_response();
    }
    if let Err(refusal) = admit(&shared.settings, key, bearer.as_deref()) {
        visit.answered();
        return refusal;
    }
    match shared.settings.dialect.read(&body, &shared.settings.models) {
        Err(refusal) => {
            visit.answered();
            error(refusal.status, &refusal.body)
        }
        Ok(asked) => {
            let behaviour = lock(&shared.script).pop_front().unwrap_or_default();
            perform(behaviour, &asked, bearer.unwrap_or_default(), shared, visit).await
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    Some(value.strip_prefix("Bearer ")?.to_owned())
}

#[expect(
    clippy::result_large_err,
    reason = "the refusal is the response, and is made once"
)]
fn admit(settings: &StandInSettings, key: KeySeen, bearer: Option<&str>) -> Result<(), Response> {
    let message = match (settings.key, key) {
        (None, _) | (_, KeySeen::Right) => return Ok(()),
        (_, KeySeen::Absent) => {
            "You didn't provide an API key. You need to provide your API key in an Authorization \
             header using Bearer auth."
                .to_owned()
        }
        // Worse than the real one, which masks the middle.
        (_, KeySeen::Wrong) => {
            format!(
                "Incorrect API key provided: {}.",
                bearer.unwrap_or_default()
            )
        }
    };
    Err(error(
        401,
        &Dialect::refusal(401, message, None, Some("invalid_api_key")).body,
    ))
}

fn error(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        ("content-type", "application/json"),
        ("x-request-id", REQUEST_ID),
    ];
    (status, headers, body.to_string()).into_response()
}

async fn perform(
    behaviour: Behaviour,
    asked: &Asked,
    key: String,
    shared: Arc<Shared>,
    visit: Visit,
) -> Response {
    let dialect = shared.settings.dialect;
    let (text, finish_reason) = reply::cut(&shared.settings.reply, asked);
    let usual = Wording {
        text: &text,
        model: &asked.model,
        id: "chatcmpl-0",
        finish_reason,
        delta_characters: 4,
    };
    let refuse = |status: u16, message: &str, code: &str| {
        error(
            status,
            &Dialect::refusal(status, message, None, Some(code)).body,
        )
    };
    let streamed = || reply::events(dialect, asked, &usual);
    let at_once = |text: String| vec![Step::Send(Bytes::from(text))];
    if behaviour == Behaviour::Hold {
        shared.held().await;
    }
    let steps = match behaviour {
        Behaviour::PlainJson => return json_answer(&reply::document(asked, &usual), visit),
        Behaviour::Answer | Behaviour::Hold if !asked.stream => {
            return json_answer(&reply::document(asked, &usual), visit);
        }
        Behaviour::Answer | Behaviour::Hold => streamed().into_iter().flat_map(at_once).collect(),
        Behaviour::HoldMidway => {
            let events = streamed();
            let (first, rest) = events.split_at(events.len() / 2);
            let (mut steps, rest) = (at_once(first.concat()), at_once(rest.concat()));
            steps.push(Step::Wait);
            steps.extend(rest);
            steps
        }
        Behaviour::Refuse {
            status,
            code,
            retry_after,
        } => {
            visit.answered();
            let mut response = refuse(status, "Refused as the script says.", code);
            if let Some(seconds) = retry_after {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, seconds.into());
            }
            return response;
        }
        Behaviour::RefuseMidway { code } => {
            let events = streamed();
            let begun = events[..events.len() / 2].concat();
            let error = Dialect::refusal(500, format!("The key was {key}."), None, Some(code));
            at_once(format!("{begun}data: {}\n\n", error.body))
        }
        Behaviour::Echo { place, form } => {
            return echo(place, form, asked, &key, shared, visit);
        }
        Behaviour::Redirect { to } => {
            visit.answered();
            return (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response();
        }
        Behaviour::Break { after_bytes } => {
            let mut steps = at_once(first_bytes(&streamed(), after_bytes));
            steps.push(Step::Break);
            steps
        }
        Behaviour::EndEarly { after_bytes } => at_once(first_bytes(&streamed(), after_bytes)),
        Behaviour::Endless => {
            let events = streamed();
            vec![Step::Forever(Bytes::from(events[1].repeat(64)))]
        }
        Behaviour::Html => {
            visit.answered();
            return axum::response::Html("<html>Welcome</html>").into_response();
        }
    };
    stream_answer(steps, shared, visit)
}

fn first_bytes(events: &[String], count: usize) -> String {
    let mut text = events.concat();
    // The stand-in's own streams are ASCII unless its reply is not.
    text.truncate(
        (0..=count.min(text.len()))
            .rfind(|at| text.is_char_boundary(*at))
            .unwrap_or(0),
    );
    text
}

fn echo(
    place: Place,
    form: Form,
    asked: &Asked,
    key: &str,
    shared: Arc<Shared>,
    visit: Visit,
) -> Response {
    let written = form.write(key);
    let text = format!("The key is <{written}>, is it not?");
    let wording = |delta_characters| Wording {
        text: &text,
        model: &written,
        id: &written,
        finish_reason: &written,
        delta_characters,
    };
    match place {
        Place::ErrorBody(status) => {
            visit.answered();
            let body = json!({ "error": {
                "message": text, "type": written, "param": written, "code": written,
            }});
            error(status, &body)
        }
        Place::Header => {
            visit.answered();
            let mut response = error(503, &json!({}));
            for name in ["x-request-id", "retry-after", "x-echo"] {
                if let Ok(value) = written.parse() {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Place::Json => json_answer(&reply::document(asked, &wording(0)), visit),
        Place::Stream {
            delta_characters,
            frame_bytes,
        } => {
            let wording = wording(delta_characters);
            let events = reply::events(shared.settings.dialect, asked, &wording);
            stream_answer(reply::frames(events.concat(), frame_bytes), shared, visit)
        }
    }
}

fn json_answer(document: &Value, visit: Visit) -> Response {
    visit.answered();
    error(200, document)
}

fn stream_answer(steps: Vec<Step>, shared: Arc<Shared>, visit: Visit) -> Response {
    let headers = [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("x-request-id", REQUEST_ID),
    ];
    (
        headers,
        Body::from_stream(reply::body(steps, shared, visit)),
    )
        .into_response()
}

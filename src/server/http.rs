//! MCP over streamable HTTP, stateless: each request stands for itself, so any replica can answer
//! it and nothing is kept between two.
//!
//! A request is authenticated before its body is read, and its body is read with a limit and a
//! deadline before MCP sees it. Which hosts and origins are served is `rmcp`'s check, switched on
//! here.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response, StatusCode, header},
    middleware::{self, Next},
    response::IntoResponse,
    routing::get,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{
    Handler, HttpSettings,
    authentication::{Authenticator, authenticate},
};
use crate::telemetry::{self, Metrics};

/// Connections at the same time; more wait in the kernel's queue. Half of the usual limit of open
/// files, so that the way to the upstreams stays free.
const MAX_CONNECTIONS: usize = 512;
/// Where metrics are, for whoever has the bearer token.
pub(super) const METRICS_PATH: &str = "/metrics";
/// The longest body, in bytes: as long as a line over stdio may be.
const MAX_REQUEST_BYTES: usize = super::MAX_MESSAGE_BYTES;
/// The longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Error codes of JSON-RPC 2.0, section 5.1.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
/// For a request's headers, and again for its body, to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// For calls in flight to finish when the process ends; as long as `rmcp` grants over stdio.
const DRAIN: Duration = Duration::from_secs(5);
/// For what is cancelled then to end.
const CANCELLED: Duration = Duration::from_millis(500);

/// Serves on `listener` until `shutdown` is cancelled; calls in flight may then finish within
/// 5 s, what is left is cancelled.
pub async fn serve_http(
    handler: Handler,
    listener: TcpListener,
    settings: &HttpSettings,
    authenticator: Arc<dyn Authenticator>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    let calls = CancellationToken::new();
    let service =
        TowerToHyperService::new(router(handler, settings, authenticator, metrics, &calls));
    let connections = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: give those in use time to close.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // HTTP/1.1 alone: telling the versions apart would wait for a first byte without a limit,
        // and HTTP/2 has no limit on a connection that asks nothing.
        let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(ARRIVAL)
            .max_buf_size(MAX_HEAD_BYTES);
        let connection = server
            .serve_connection(TokioIo::new(stream), service.clone())
            .into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            let _slot = slot;
            // A broken connection is the client's affair.
            let _broken = connection.await;
        });
    }
    drop(listener);
    let mut ended = std::pin::pin!(connections.shutdown());
    if tokio::time::timeout(DRAIN, &mut ended).await.is_err() {
        tracing::warn!("calls still in flight are cancelled");
        calls.cancel();
        // So that the end of each is recorded before that of the server.
        let _left = tokio::time::timeout(CANCELLED, ended).await;
    }
    calls.cancel();
}

type Slot = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<(TcpStream, Slot)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Without this, Nagle's algorithm holds small answers back for tens of milliseconds.
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

#[derive(Clone)]
struct Door {
    authenticator: Arc<dyn Authenticator>,
    handler: Handler,
}

fn router(
    handler: Handler,
    settings: &HttpSettings,
    authenticator: Arc<dyn Authenticator>,
    metrics: Arc<Metrics>,
    calls: &CancellationToken,
) -> Router {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_REQUEST_BYTES)
        .with_allowed_hosts(
            loopback
                .into_iter()
                .chain(settings.allowed_hosts.iter().cloned()),
        )
        .with_cancellation_token(calls.clone())
        // No browser has business here: a request that names an origin is refused.
        .enforce_origin_validation();
    let door = Door {
        authenticator,
        handler: handler.clone(),
    };
    let sessions = Arc::new(NeverSessionManager::default());
    let mcp = StreamableHttpService::new(move || Ok(handler.clone()), sessions, config);
    Router::new()
        .route_service(&settings.path, mcp)
        .route(METRICS_PATH, get(move || tell(metrics)))
        .layer(middleware::from_fn_with_state(door, enter))
        .route("/healthz", get(|| async { "ok\n" }))
}

async fn tell(metrics: Arc<Metrics>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, telemetry::MEDIA_TYPE)],
        metrics.text(),
    )
}

/// Authenticates a request, then reads its body, then lets it on.
async fn enter(
    State(door): State<Door>,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Infallible> {
    if let Err(stopped) = authenticate(request.headers(), &*door.authenticator).await {
        door.handler.unauthenticated(stopped.code);
        return Ok(*stopped.response);
    }
    let is_json = says_json(request.headers());
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(ARRIVAL, axum::body::to_bytes(body, MAX_REQUEST_BYTES));
    let body = match body.await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            let too_long = std::error::Error::source(&error)
                .is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
            let (code, status) = if too_long {
                ("too_long", StatusCode::PAYLOAD_TOO_LARGE)
            } else {
                ("broken_off", StatusCode::BAD_REQUEST)
            };
            door.handler.unreadable(code);
            return Ok(status.into_response());
        }
        Err(_) => {
            door.handler.unreadable("too_slow");
            return Ok(StatusCode::REQUEST_TIMEOUT.into_response());
        }
    };
    if is_json && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        door.handler.unreadable("not_json");
        return Ok(rejected(PARSE_ERROR, "the body is not JSON"));
    }
    let response = next.run(Request::from_parts(head, Body::from(body))).await;
    // `rmcp` answers JSON of the wrong shape as if its media type were wrong.
    if is_json && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        door.handler.unreadable("not_mcp");
        return Ok(rejected(INVALID_REQUEST, "the body is not an MCP message"));
    }
    Ok(response)
}

fn says_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// 400 with a JSON-RPC error for a message whose id nobody can tell (JSON-RPC 2.0, section 5).
fn rejected(code: i32, message: &str) -> Response<Body> {
    let body = serde_json::json!({
        "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message },
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::BAD_REQUEST, json, body.to_string()).into_response()
}

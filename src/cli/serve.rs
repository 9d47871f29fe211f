//! `keyward serve`: the server, until its client leaves or it is told to end.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Exit, complain, token::TokenAuthenticator, world::World};
use crate::{
    secrets::{Binding, KeyState},
    server::{Handler, HttpSettings, serve_http, serve_stdio},
};

/// Serves over HTTP if the configuration says so, else over stdio.
pub(super) async fn serve(mut world: World) -> Exit {
    let corridor = match world.corridor() {
        Ok(corridor) => Arc::new(corridor),
        Err(error) => return error.report(false),
    };
    let shutdown = CancellationToken::new();
    if let Err(error) = end_on_signal(&shutdown) {
        complain(format_args!("cannot wait for signals: {error}"));
        return Exit::Failed;
    }
    let config = world
        .config
        .path
        .as_ref()
        .map(|path| path.display().to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = config.as_deref().unwrap_or("none"),
        policy = "none",
        locked_memory = world.pool.report().is_locked(),
        transport = if world.config.server.http.is_some() {
            "http"
        } else {
            "stdio"
        },
        "keyward starts"
    );
    let exit = match &world.config.server.http {
        Some(settings) => {
            let token = world.token.take();
            http(
                &world,
                settings,
                token,
                Handler::new(corridor, "http"),
                shutdown,
            )
            .await
        }
        None => match serve_stdio(Handler::new(corridor, "local"), shutdown).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                tracing::error!(%error, "stdio failed");
                Exit::Failed
            }
        },
    };
    world.broker.close().await;
    tracing::info!("keyward ends");
    exit
}

async fn http(
    world: &World,
    settings: &HttpSettings,
    token: Option<Binding>,
    handler: Handler,
    shutdown: CancellationToken,
) -> Exit {
    // Loading refuses HTTP without a token; there is no way to serve it open.
    let Some(token) = token else {
        complain("`server.http.token_secret` names no secret");
        return Exit::Invalid;
    };
    let listener = match tokio::net::TcpListener::bind(settings.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(listen = %settings.listen, %error, "cannot listen");
            return Exit::Failed;
        }
    };
    if !settings.listen.ip().is_loopback() {
        tracing::warn!(
            listen = %settings.listen,
            "listening beyond loopback without TLS: the container's boundary must protect it"
        );
    }
    if world.broker.key_state(token.name()) == KeyState::None {
        tracing::warn!(
            secret = %token.name(),
            "no client can get in until the bearer token's secret is there; \
             `keyward secrets check` says where it is looked for"
        );
    }
    let listen = listener.local_addr().unwrap_or(settings.listen);
    tracing::info!(%listen, path = settings.path, "listening");
    let authenticator = TokenAuthenticator::new(token);
    serve_http(
        handler,
        listener,
        settings,
        Arc::new(authenticator),
        Arc::clone(&world.metrics),
        shutdown,
    )
    .await;
    Exit::Done
}

/// Cancels `shutdown` at the first SIGTERM, SIGINT or SIGHUP.
fn end_on_signal(shutdown: &CancellationToken) -> std::io::Result<()> {
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind)?;
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            signals.recv().await;
            shutdown.cancel();
        });
    }
    Ok(())
}

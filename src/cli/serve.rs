//! `keyward serve`: the server, until its client leaves or it is told to end.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Exit, complain, keeping, token::TokenAuthenticator, world::World};
use crate::{
    audit::{Event, Record},
    call::PrincipalKind,
    secrets::{Binding, KeyState},
    server::{Handler, HttpSettings, serve_http, serve_stdio},
};

/// Serves over HTTP if the configuration says so, else over stdio.
pub(super) async fn serve(mut world: World) -> Exit {
    let shutdown = CancellationToken::new();
    if let Err(error) = end_on_signal(&shutdown) {
        complain(format_args!("cannot wait for signals: {error}"));
        return Exit::Failed;
    }
    let audit = match keeping::open(&world) {
        Ok(audit) => audit,
        Err(error) => return error.report(false),
    };
    let corridor = match world.corridor(&audit) {
        Ok(corridor) => Arc::new(corridor),
        Err(error) => return error.report(false),
    };
    if audit.record(started(&world)).await.is_err() {
        // The log has said why. A server that cannot record refuses all calls: better none.
        complain("the audit cannot be written, so no call could be made; the log says why");
        return Exit::Failed;
    }
    let config = world.config.path.as_ref();
    let config = config.map(|path| path.display().to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = config.as_deref().unwrap_or("none"),
        policy = world.policy_in_words(),
        audit = if audit.is_on() { "on" } else { "none" },
        locked_memory = world.pool.report().is_locked(),
        transport = transport(&world),
        "keyward starts"
    );
    let exit = match world.config.server.http.clone() {
        Some(settings) => {
            let token = world.token.take();
            let principal = settings.principal.principal(PrincipalKind::Token, "http");
            let handler = Handler::stateless(corridor, principal);
            http(&world, &settings, token, handler, shutdown).await
        }
        None => {
            let settings = &world.config.server.stdio.principal;
            let principal = settings.principal(PrincipalKind::Local, &user());
            match serve_stdio(Handler::new(corridor, principal), shutdown).await {
                Ok(()) => Exit::Done,
                Err(error) => {
                    tracing::error!(%error, "stdio failed");
                    Exit::Failed
                }
            }
        }
    };
    world.broker.close().await;
    // The process ends in any case; what could not be recorded is in the log.
    let _unrecorded = audit.record(Record::new(Event::ServerStopped)).await;
    audit.close().await;
    tracing::info!("keyward ends");
    exit
}

fn transport(world: &World) -> &'static str {
    match world.config.server.http {
        Some(_) => "http",
        None => "stdio",
    }
}

fn started(world: &World) -> Record {
    let mut record = Record::new(Event::ServerStarted);
    record.config_digest = Some(world.config.digest());
    record.detail = Some(format!(
        "version {}, {}, policy {}",
        env!("CARGO_PKG_VERSION"),
        transport(world),
        world.policy_in_words()
    ));
    record
}

/// The user of the operating system; one without a name is told by number.
fn user() -> String {
    let uid = nix::unistd::getuid();
    let named = nix::unistd::User::from_uid(uid).ok().flatten();
    let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_graphic());
    let name = named.map(|user| user.name).filter(plain);
    name.unwrap_or_else(|| format!("uid-{uid}"))
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

//! The demo's course: a stand-in upstream, the real server as a child, a real MCP client, and the
//! scanner looking on.

use std::{process::Command, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    DemoError,
    child::{Client, Watched},
    folder::Folder,
    holding,
    store::Store,
    story::{self, Phase},
    upstream::{Behaviour, Dialect, KeyDigest, KeySeen, StandIn, StandInModel, StandInSettings},
};
use crate::{
    cli::args::Demo,
    secrets::memory::scanner::{Canary, Needle},
};

const MODEL: &str = "demo-model";
const REPLY: &str = "A key that nobody keeps, nobody can steal.";
/// How long after a call its key must be gone; what the product promises.
const SETTLED: Duration = Duration::from_millis(100);

/// Runs the demo and prints what each party saw.
///
/// # Errors
/// [`DemoError`] if a part of it could not be started, or a promise did not hold.
pub(super) async fn run(options: &Demo) -> Result<(), DemoError> {
    let key = Canary::random(64);
    let needle = Needle::new(key.as_bytes())
        .map_err(|error| DemoError::Setup(format!("the demo's key is unusable: {error}")))?;
    let needles: Arc<[Needle]> = Arc::from([needle]);
    let stand_in = StandIn::new(StandInSettings {
        dialect: Dialect::OpenAi,
        key: Some(KeyDigest::of(key.as_bytes())),
        models: vec![StandInModel::named(MODEL)],
        reply: REPLY.to_owned(),
    });
    let upstream = stand_in
        .serve()
        .await
        .map_err(|error| DemoError::Setup(format!("cannot listen on loopback: {error}")))?;
    let store = Store::open(options)?;
    story::opening(&store, &upstream.base_url());

    let outcome = async {
        store.put(&key).await?;
        let folder = Folder::with_config(&store.config(&upstream.base_url(), MODEL))?;
        let command = |arguments: &[&str]| -> Result<Command, DemoError> {
            let mut command = server(&folder, arguments)?;
            store.lend(&mut command, &key);
            Ok(command)
        };
        let fetched = holding::fetched(command(&["secrets", "check", "openai"])?, &needles).await?;

        let mut watched = Watched::start(command(&["serve"])?).await?;
        let client = Client::connect(&mut watched).await?;
        story::tools(&client.tools().await?);

        upstream.stand_in.script(Behaviour::Hold);
        let asking = client.chat("In one sentence: why hold no keys?", MODEL);
        let looking = async {
            upstream
                .stand_in
                .wait_until(|counts| counts.arrived == 1)
                .await;
            let in_flight = watched.scan(&needles).await;
            upstream.stand_in.release(1);
            in_flight
        };
        let (answer, in_flight) = tokio::join!(asking, looking);
        let answer = answer?;
        tokio::time::sleep(SETTLED).await;
        let ended = watched.scan(&needles).await;

        let log = watched.end(client).await?;
        let key_seen = upstream
            .stand_in
            .seen()
            .first()
            .map_or(KeySeen::Absent, |seen| seen.key);
        let phases = [
            (Phase::Fetched, fetched),
            (Phase::InFlight, in_flight),
            (Phase::Ended, ended),
        ];
        story::seen(&story::Seen {
            answer,
            key_seen,
            log,
            key: &key,
            phases,
            store: &store,
        })
    };
    let outcome = tokio::select! {
        outcome = outcome => outcome,
        () = interrupted() => Err(DemoError::Setup("it was interrupted".to_owned())),
    };
    // Whatever happened: what the demo wrote, it takes away.
    outcome.and(store.remove().await)
}

/// Waits until the user or the system wants an end.
async fn interrupted() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// The very program that runs now, as a server with the demo's configuration.
fn server(folder: &Folder, arguments: &[&str]) -> Result<Command, DemoError> {
    let program = std::env::current_exe()
        .map_err(|error| DemoError::Setup(format!("cannot find this program: {error}")))?;
    let mut command = Command::new(program);
    for name in [
        "KEYWARD_HTTP",
        "KEYWARD_DEFAULT_MODEL",
        "KEYWARD_LOG_FORMAT",
    ] {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .arg("--config")
        .arg(folder.config())
        .args(["--log-level", "debug"]);
    Ok(command)
}

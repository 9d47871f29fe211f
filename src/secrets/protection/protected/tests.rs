//! Deadline, tries and breaker around a provider that answers by a script, on a clock that only the
//! test moves.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::*;
use crate::{
    call::CallIdentity,
    secrets::{BreakerState, memory::Pool, providers::BreakerSettings},
};

/// One answer of the script.
#[derive(Debug, Clone, Copy)]
enum Step {
    Miss,
    Fails(ErrorKind),
    /// Throttled, with the store's wish in milliseconds.
    Wishes(u64),
    Hangs,
}

use Step::{Fails, Hangs, Miss, Wishes};

struct Scripted {
    limits: Limits,
    script: Mutex<VecDeque<Step>>,
    asked: AtomicUsize,
}

impl SecretProvider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn locate(&self, _: &SecretName) -> Option<Reference> {
        None
    }
    fn validate(&self, _: &Reference) -> Result<(), String> {
        Ok(())
    }
    fn presence(&self, _: &Reference) -> Presence {
        Presence::Unknown
    }
    fn limits(&self) -> Limits {
        self.limits
    }
    fn fetch<'a>(&'a self, _: Fetch<'a>) -> BoxFuture<'a, Answer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Miss);
        Box::pin(async move {
            match step {
                Miss => Ok(Lookup::Miss),
                Fails(kind) => Err(ProviderError::new(kind, "no route")),
                Wishes(wish) => Err(ProviderError::new(ErrorKind::Throttled, "slower")
                    .retry_after(Some(Duration::from_millis(wish)))),
                Hangs => std::future::pending().await,
            }
        })
    }
}

struct Bench {
    store: Arc<Scripted>,
    protected: Protected,
    changes: Arc<Mutex<Vec<BreakerState>>>,
    asker: CallIdentity,
    reference: Reference,
    pool: Arc<Pool>,
}

impl Bench {
    /// Five seconds, two retries; the breaker opens after two failures, for ten seconds.
    fn new(script: &[Step]) -> Self {
        let breaker = BreakerSettings {
            failures: 2,
            open_for: Duration::from_secs(10),
        };
        let store = Arc::new(Scripted {
            limits: Limits {
                deadline: Some(Duration::from_secs(5)),
                retries: 2,
                breaker: Some(breaker),
            },
            script: Mutex::new(script.iter().copied().collect()),
            asked: AtomicUsize::new(0),
        });
        let changes = Arc::<Mutex<Vec<BreakerState>>>::default();
        let seen = Arc::clone(&changes);
        let watch: BreakerWatch = Arc::new(move |provider, state| {
            assert_eq!(provider, "scripted");
            seen.lock().unwrap().push(state);
        });
        Self {
            protected: Protected::new(Arc::clone(&store) as Arc<dyn SecretProvider>, Some(watch)),
            store,
            changes,
            asker: CallIdentity {
                request_id: "r".into(),
                tool: "t".into(),
                principal: "local".into(),
            },
            reference: "scripted:x".parse().unwrap(),
            pool: Pool::reserve(),
        }
    }

    fn question(&self) -> Fetch<'_> {
        Fetch {
            reference: &self.reference,
            asker: &self.asker,
            pool: &self.pool,
        }
    }

    async fn fetch(&self) -> Result<(), ProviderError> {
        self.protected.fetch(self.question()).await.map(|_| ())
    }

    async fn fails(&self) -> ProviderError {
        self.fetch().await.unwrap_err()
    }

    fn asked(&self) -> usize {
        self.store.asked.load(Ordering::Relaxed)
    }

    fn changes(&self) -> Vec<BreakerState> {
        self.changes.lock().unwrap().clone()
    }

    /// One whose breaker has just opened.
    async fn opened(then: &[Step]) -> Self {
        let sealed = [Fails(ErrorKind::Sealed); 2];
        let bench = Self::new(&[&sealed, then].concat());
        for _ in 0..2 {
            assert_eq!(bench.fails().await.kind, ErrorKind::Sealed);
        }
        assert_eq!(bench.changes(), [BreakerState::Open]);
        bench
    }
}

const INTERVAL: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_again_and_another_is_not() {
    for kind in [
        ErrorKind::Unreachable,
        ErrorKind::ServerFailed,
        ErrorKind::Throttled,
    ] {
        let bench = Bench::new(&[Fails(kind), Fails(kind), Miss]);
        bench.fetch().await.unwrap();
        assert_eq!(bench.asked(), 3, "{kind}");
        assert!(bench.changes().is_empty(), "{kind}");
    }
    for kind in [
        ErrorKind::Sealed,
        ErrorKind::TimedOut,
        ErrorKind::LoginFailed,
        ErrorKind::Forbidden,
    ] {
        let bench = Bench::new(&[Fails(kind)]);
        assert_eq!(bench.fails().await.kind, kind);
        assert_eq!(bench.asked(), 1, "{kind}");
    }
    let bench = Bench::new(&[Fails(ErrorKind::Unreachable); 9]);
    assert_eq!(bench.fails().await.kind, ErrorKind::Unreachable);
    assert_eq!(bench.asked(), 3, "one try and two retries");
}

#[tokio::test(start_paused = true)]
async fn the_stores_wish_is_honoured_if_it_fits_and_told_at_once_if_not() {
    let bench = Bench::new(&[Wishes(3000), Miss]);
    let start = Instant::now();
    bench.fetch().await.unwrap();
    let took = start.elapsed();
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_secs(4),
        "{took:?}"
    );

    let bench = Bench::new(&[Wishes(6000), Miss]);
    let start = Instant::now();
    let error = bench.fails().await;
    assert_eq!(
        (error.kind, start.elapsed()),
        (ErrorKind::Throttled, Duration::ZERO)
    );
    assert_eq!(error.retry_after, Some(Duration::from_secs(6)));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_around_all_tries_and_its_error_names_the_setting_and_the_last_failure() {
    let bench = Bench::new(&[Wishes(2000), Hangs]);
    let start = Instant::now();
    let error = bench.fails().await;
    assert_eq!(
        (error.kind, start.elapsed()),
        (ErrorKind::TimedOut, Duration::from_secs(5))
    );
    for words in [
        "`secrets.providers.scripted.timeout`, 5s",
        "throttling: slower",
    ] {
        assert!(error.detail.contains(words), "{error}");
    }
    let error = Bench::new(&[Hangs]).fails().await;
    assert!(error.detail.ends_with("timeout`, 5s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn several_fetches_share_one_deadline_and_only_failed_ones_are_asked_again() {
    let failed = Fails(ErrorKind::Unreachable);
    let bench = Bench::new(&[Miss, failed, Fails(ErrorKind::Deleted), failed, Hangs]);
    let questions = [bench.question(); 4];
    let start = Instant::now();
    let answers = bench.protected.fetch_many(&questions).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(
        bench.asked(),
        5,
        "four, and the first of the two that failed"
    );
    let kinds: Vec<_> = answers
        .iter()
        .map(|a| a.as_ref().err().map(|e| e.kind))
        .collect();
    let late = Some(ErrorKind::TimedOut);
    assert_eq!(kinds, [None, late, Some(ErrorKind::Deleted), late]);
    // Some of them worked: that is no failure of the store.
    assert_eq!(bench.protected.breaker().unwrap().failures, 0);
    assert!(bench.protected.fetch_many(&[]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_without_asking_and_says_why() {
    let bench = Bench::opened(&[]).await;
    tokio::time::advance(Duration::from_secs(4)).await;
    let refused = bench.fails().await;
    assert_eq!(refused.kind, ErrorKind::CircuitOpen);
    assert_eq!(refused.retry_after, Some(Duration::from_secs(6)));
    for words in ["4.0s", "6.0s", "the store is sealed: no route"] {
        assert!(refused.detail.contains(words), "{refused}");
    }
    assert_eq!(bench.asked(), 2);
    let report = bench.protected.breaker().unwrap();
    assert_eq!(report.state, BreakerState::Open);
    assert_eq!(report.remaining, Some(Duration::from_secs(6)));
    assert_eq!(
        report.last_failure.unwrap(),
        "the store is sealed: no route"
    );
}

#[tokio::test(start_paused = true)]
async fn after_the_interval_one_fetch_tries_for_all_and_its_answer_closes_the_breaker() {
    let bench = Bench::opened(&[Fails(ErrorKind::Forbidden); 2]).await;
    tokio::time::advance(INTERVAL).await;
    let (probe, other) = tokio::join!(bench.fails(), bench.fails());
    assert_eq!(
        probe.kind,
        ErrorKind::Forbidden,
        "the store answers, if with a no"
    );
    assert_eq!(
        other.kind,
        ErrorKind::Forbidden,
        "the breaker closed before it was asked"
    );

    let bench = Bench::opened(&[Hangs, Miss]).await;
    tokio::time::advance(INTERVAL).await;
    let (probe, other) = tokio::join!(bench.fails(), bench.fails());
    assert_eq!(probe.kind, ErrorKind::TimedOut);
    assert_eq!(other.kind, ErrorKind::CircuitOpen);
    assert_eq!(
        bench.fails().await.kind,
        ErrorKind::CircuitOpen,
        "the probe failed"
    );
    tokio::time::advance(INTERVAL).await;
    bench.fetch().await.unwrap();
    use BreakerState::{Closed, HalfOpen, Open};
    assert_eq!(bench.changes(), [Open, HalfOpen, Open, HalfOpen, Closed]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_leaves_its_place_to_the_next() {
    let bench = Bench::opened(&[Hangs, Miss]).await;
    tokio::time::advance(INTERVAL).await;
    let mut probe = Box::pin(bench.fetch());
    assert!(futures_util::poll!(&mut probe).is_pending());
    assert_eq!(bench.fails().await.kind, ErrorKind::CircuitOpen);
    drop(probe);
    bench.fetch().await.unwrap();
    assert_eq!(
        bench.protected.breaker().unwrap().state,
        BreakerState::Closed
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_that_keeps_failing_opens_the_breaker_and_our_own_mistakes_do_not() {
    let bench = Bench::new(&[Fails(ErrorKind::LoginFailed); 2]);
    assert_eq!(bench.fails().await.kind, ErrorKind::LoginFailed);
    assert_eq!(bench.fails().await.kind, ErrorKind::LoginFailed);
    assert_eq!(bench.fails().await.kind, ErrorKind::CircuitOpen);
    let bench = Bench::new(&[Fails(ErrorKind::Misconfigured); 3]);
    for _ in 0..3 {
        assert_eq!(bench.fails().await.kind, ErrorKind::Misconfigured);
    }
    assert!(bench.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_provider_without_limits_is_only_passed_through() {
    let mut bench = Bench::new(&[Fails(ErrorKind::Unreachable); 9]);
    let store = Arc::new(Scripted {
        limits: Limits::default(),
        script: Mutex::new(VecDeque::from([Fails(ErrorKind::Unreachable); 9])),
        asked: AtomicUsize::new(0),
    });
    bench.protected = Protected::new(store, None);
    for _ in 0..9 {
        assert_eq!(bench.fails().await.kind, ErrorKind::Unreachable);
    }
    assert!(bench.protected.breaker().is_none());
    bench.fetch().await.unwrap();
}

//! Single flight and cache together, in every order in which threads may take turns (a thousand
//! random ones of each, by `shuttle`): what the broker promises must not hang on who comes first.
//!
//! The asker below does what `broker::asking` does, step for step, with the scheduler's own lock
//! around the cache, so that a turn may be lost before each step.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use shuttle::{
    future::{block_on, spawn, yield_now},
    sync::Mutex,
};

use super::{
    cache::{AfterRefusal, Cache, Fresh, Generation, Known, Mark, Refusal, Settled, Terms},
    single_flight::SingleFlight,
};

const RUNS: usize = 1000;
const KEY: &str = "k";

/// A store with one value, and what stands before it.
struct House {
    cache: Mutex<Cache<&'static str, u8>>,
    flights: SingleFlight<Generation, u8>,
    terms: Terms,
    has: AtomicUsize,
    fetches: AtomicUsize,
}

fn mark(value: u8) -> Mark {
    [value; 16]
}

impl House {
    fn new(ttl: Duration) -> Arc<Self> {
        Arc::new(Self {
            cache: Mutex::new(Cache::new()),
            flights: SingleFlight::new(),
            terms: Terms {
                ttl,
                ..Terms::default()
            },
            has: AtomicUsize::new(1),
            fetches: AtomicUsize::new(0),
        })
    }

    fn flight(
        self: &Arc<Self>,
        generation: Generation,
        refused: Option<u8>,
    ) -> BoxFuture<'static, u8> {
        let house = Arc::clone(self);
        Box::pin(async move {
            let refused = refused.map(mark);
            let arrived = house
                .cache
                .lock()
                .unwrap()
                .arrived(&KEY, refused, Instant::now());
            if let Some(value) = arrived {
                return value;
            }
            house.fetches.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
            let value = u8::try_from(house.has.load(Ordering::SeqCst)).unwrap();
            yield_now().await;
            let fresh = Fresh {
                value,
                mark: mark(value),
                bytes: 1,
                expires_at: None,
                is_fallback: false,
            };
            let settled = Settled::Found(fresh);
            let mut cache = house.cache.lock().unwrap();
            cache.settle(&KEY, generation, settled, &house.terms, 0.0, Instant::now());
            value
        })
    }

    async fn fetch(self: &Arc<Self>, generation: Generation, refused: Option<u8>) -> u8 {
        // Between being told to fetch and beginning to, a turn may be lost.
        yield_now().await;
        self.flights
            .join(&generation, || self.flight(generation, refused))
            .await
    }

    /// A value, lent.
    async fn lend(self: &Arc<Self>) -> u8 {
        let known = self.cache.lock().unwrap().look(&KEY, Instant::now());
        let value = match known {
            Known::Value { value, .. } => value,
            Known::Nothing(generation) => self.fetch(generation, None).await,
            Known::Miss => panic!("the store has it"),
        };
        self.cache.lock().unwrap().lend(&KEY, mark(value));
        value
    }

    async fn after_refusal(self: &Arc<Self>, refused: u8) -> u8 {
        let now = Instant::now();
        let (mark, refusal) = (mark(refused), Refusal::OfTheKey);
        let after = self.cache.lock().unwrap().refuse(&KEY, mark, refusal, now);
        match after {
            AfterRefusal::Newer(value) => value,
            AfterRefusal::Same => refused,
            AfterRefusal::Nothing(generation) => self.fetch(generation, Some(refused)).await,
        }
    }

    fn give_back(&self, value: u8) {
        self.cache.lock().unwrap().give_back(&KEY, mark(value));
    }
}

#[test]
fn in_any_order_a_storm_of_refusals_is_one_fetch_and_leaves_nothing_that_may_not_stay() {
    for ttl in [Duration::ZERO, Duration::from_secs(60)] {
        shuttle::check_random(
            move || {
                block_on(async move {
                    let house = House::new(ttl);
                    // All have the first value before the store changes.
                    for _ in 0..3 {
                        assert_eq!(house.lend().await, 1);
                    }
                    house.has.store(2, Ordering::SeqCst);
                    let before = house.fetches.load(Ordering::SeqCst);
                    let calls: Vec<_> = (0..3)
                        .map(|_| {
                            let house = Arc::clone(&house);
                            spawn(async move {
                                assert_eq!(house.after_refusal(1).await, 2);
                                yield_now().await;
                                // Only those that wait for it may still be served from it.
                                house.give_back(1);
                            })
                        })
                        .collect();
                    for call in calls {
                        call.await.unwrap();
                    }
                    let fetches = house.fetches.load(Ordering::SeqCst) - before;
                    assert_eq!(fetches, 1, "one fetch for all of them");
                    let keeps = house.cache.lock().unwrap().keeps_any();
                    assert_eq!(keeps, !ttl.is_zero());
                });
            },
            RUNS,
        );
    }
}

#[test]
fn in_any_order_a_call_after_a_refusal_never_gets_the_refused_value() {
    for ttl in [Duration::ZERO, Duration::from_secs(60)] {
        shuttle::check_random(
            move || {
                block_on(async move {
                    let house = House::new(ttl);
                    // Some fetch may be under way, from before the change.
                    let early = {
                        let house = Arc::clone(&house);
                        spawn(async move {
                            let value = house.lend().await;
                            house.give_back(value);
                        })
                    };
                    let first = house.lend().await;
                    house.has.store(2, Ordering::SeqCst);
                    if first == 1 {
                        assert_eq!(house.after_refusal(1).await, 2);
                        assert_eq!(house.lend().await, 2);
                        house.give_back(2);
                    }
                    house.give_back(first);
                    early.await.unwrap();
                    assert_eq!(house.lend().await, 2);
                });
            },
            RUNS,
        );
    }
}

#[test]
fn in_any_order_a_caller_that_goes_away_takes_nothing_from_the_others() {
    shuttle::check_random(
        || {
            block_on(async {
                let house = House::new(Duration::ZERO);
                let leader = {
                    let house = Arc::clone(&house);
                    spawn(async move { house.lend().await })
                };
                let followers: Vec<_> = (0..2)
                    .map(|_| {
                        let house = Arc::clone(&house);
                        spawn(async move { house.lend().await })
                    })
                    .collect();
                yield_now().await;
                leader.abort();
                for follower in followers {
                    assert_eq!(follower.await.unwrap(), 1);
                }
            });
        },
        RUNS,
    );
}

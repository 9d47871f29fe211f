//! The cache, event by event, under a clock that is passed in.

mod any_order;

use super::*;

const S: Duration = Duration::from_secs(1);

const CACHED: Terms = Terms {
    ttl: Duration::from_secs(100),
    refresh_ahead: Duration::from_secs(20),
    negative_ttl: Duration::from_secs(10),
    stale_if_error: Duration::from_secs(50),
};
const OFF: Terms = Terms {
    ttl: Duration::ZERO,
    refresh_ahead: Duration::ZERO,
    negative_ttl: Duration::ZERO,
    stale_if_error: Duration::ZERO,
};

fn mark(of: u8) -> Mark {
    [of; 16]
}

fn found(value: u8) -> Settled<u8> {
    Settled::Found(Fresh {
        value,
        mark: mark(value),
        bytes: 100,
        expires_at: None,
        is_fallback: false,
    })
}

fn leased(value: u8, expires_at: Instant) -> Settled<u8> {
    Settled::Found(Fresh {
        value,
        mark: mark(value),
        bytes: 100,
        expires_at: Some(expires_at),
        is_fallback: false,
    })
}

/// A cache of one key, with the time beside it.
struct One {
    cache: Cache<&'static str, u8>,
    terms: Terms,
    now: Instant,
}

impl One {
    fn new(terms: Terms) -> Self {
        Self {
            cache: Cache::new(),
            terms,
            now: Instant::now(),
        }
    }

    fn wait(&mut self, seconds: u32) -> &mut Self {
        self.now += S * seconds;
        self
    }

    fn look(&mut self) -> Known<u8> {
        self.cache.look(&"k", self.now)
    }

    fn must_ask(&mut self) -> Generation {
        match self.look() {
            Known::Nothing(generation) => generation,
            other => panic!("{other:?}"),
        }
    }

    fn settle(&mut self, generation: Generation, settled: Settled<u8>) -> &mut Self {
        let (terms, now) = (self.terms, self.now);
        self.cache
            .settle(&"k", generation, settled, &terms, 0.0, now);
        self
    }

    fn fetch(&mut self, settled: Settled<u8>) -> &mut Self {
        let generation = self.must_ask();
        self.settle(generation, settled)
    }

    fn refuse(&mut self, value: u8) -> AfterRefusal<u8> {
        self.cache
            .refuse(&"k", mark(value), Refusal::OfTheKey, self.now)
    }

    fn must_recheck(&mut self, value: u8) -> Generation {
        match self.refuse(value) {
            AfterRefusal::Nothing(generation) => generation,
            other => panic!("{other:?}"),
        }
    }

    fn hit(value: u8) -> Known<u8> {
        Known::Value {
            value,
            refresh: None,
        }
    }
}

#[test]
fn without_a_ttl_nothing_is_kept() {
    let mut one = One::new(OFF);
    one.fetch(found(1)).must_ask();
    one.fetch(Settled::Missed).must_ask();
    assert!(!one.cache.keeps_any());
}

#[test]
fn a_value_is_used_until_its_ttl_and_refreshed_once_ahead_of_it() {
    let mut one = One::new(CACHED);
    one.fetch(found(1));
    assert_eq!(one.wait(79).look(), One::hit(1));
    let Known::Value {
        value: 1,
        refresh: Some(generation),
    } = one.wait(1).look()
    else {
        panic!("it is refreshed in its last fifth");
    };
    assert_eq!(one.look(), One::hit(1), "one use starts the refresh");
    one.settle(generation, found(2));
    assert_eq!(one.wait(79).look(), One::hit(2));
    one.wait(22).must_ask();
}

#[test]
fn chance_moves_a_refresh_ahead_by_a_quarter_at_most() {
    let mut one = One::new(CACHED);
    let generation = one.must_ask();
    one.cache
        .settle(&"k", generation, found(1), &CACHED, 1.0, one.now);
    assert_eq!(one.wait(74).look(), One::hit(1));
    assert!(matches!(
        one.wait(1).look(),
        Known::Value {
            refresh: Some(_),
            ..
        }
    ));
}

#[test]
fn a_failed_refresh_is_tried_again_later_and_not_at_every_use() {
    let mut one = One::new(CACHED);
    one.fetch(found(1)).wait(80);
    let Known::Value {
        refresh: Some(generation),
        ..
    } = one.look()
    else {
        panic!("it is due");
    };
    one.settle(generation, Settled::Failed { is_transient: true });
    assert_eq!(one.wait(9).look(), One::hit(1));
    assert!(matches!(
        one.wait(1).look(),
        Known::Value {
            refresh: Some(_),
            ..
        }
    ));
}

#[test]
fn nobody_is_believed_to_have_it_for_no_longer_than_negative_ttl() {
    let mut one = One::new(CACHED);
    one.fetch(Settled::Missed);
    assert_eq!(one.wait(9).look(), Known::Miss);
    one.wait(1).must_ask();
}

#[test]
fn a_value_never_outlives_its_lease() {
    let mut one = One::new(CACHED);
    let end = one.now + 30 * S;
    one.fetch(leased(1, end));
    one.wait(30).must_ask();
    assert_eq!(one.cache.stale(&"k", one.now), None);
    assert_eq!(one.cache.sweep(one.now), None);
    assert!(!one.cache.keeps_any());
}

#[test]
fn a_stale_value_is_there_within_its_bound_and_not_after() {
    let mut one = One::new(CACHED);
    one.fetch(found(1)).wait(100);
    one.fetch(Settled::Failed { is_transient: true });
    assert_eq!(one.cache.stale(&"k", one.now), Some(1));
    one.wait(49);
    assert_eq!(one.cache.stale(&"k", one.now), Some(1));
    one.wait(1);
    assert_eq!(one.cache.stale(&"k", one.now), None);
}

#[test]
fn what_a_store_says_for_certain_ends_a_stale_value() {
    for certain in [
        Settled::Missed,
        Settled::Failed {
            is_transient: false,
        },
    ] {
        let mut one = One::new(CACHED);
        one.fetch(found(1)).wait(100);
        one.fetch(certain);
        assert_eq!(one.cache.stale(&"k", one.now), None);
    }
}

#[test]
fn a_refused_value_is_neither_used_nor_stale_any_more() {
    let mut one = One::new(CACHED);
    one.fetch(found(1));
    let AfterRefusal::Nothing(generation) = one.refuse(1) else {
        panic!("it must be fetched");
    };
    assert_eq!(one.must_ask(), generation);
    one.settle(generation, Settled::Failed { is_transient: true });
    assert_eq!(one.cache.stale(&"k", one.now), None);
}

#[test]
fn a_storm_of_refusals_is_one_fetch_with_and_without_a_ttl() {
    for terms in [CACHED, OFF] {
        let mut one = One::new(terms);
        one.fetch(found(1));
        for _ in 0..3 {
            one.cache.lend(&"k", mark(1));
        }
        let AfterRefusal::Nothing(generation) = one.refuse(1) else {
            panic!("the first fetches");
        };
        assert_eq!(one.refuse(1), AfterRefusal::Nothing(generation), "joins");
        one.settle(generation, found(2));
        assert_eq!(one.refuse(1), AfterRefusal::Newer(2), "{terms:?}");
        for _ in 0..3 {
            one.cache.give_back(&"k", mark(1));
        }
        assert_eq!(one.cache.keeps_any(), !terms.ttl.is_zero());
    }
}

#[test]
fn without_a_ttl_the_replacement_serves_only_calls_that_were_refused() {
    let mut one = One::new(OFF);
    one.fetch(found(1));
    one.cache.lend(&"k", mark(1));
    let AfterRefusal::Nothing(generation) = one.refuse(1) else {
        panic!("the first fetches");
    };
    one.settle(generation, found(2));
    one.must_ask();
    assert_eq!(one.cache.stale(&"k", one.now), None);
    one.wait(30);
    assert_eq!(one.cache.sweep(one.now), None);
    assert!(!one.cache.keeps_any(), "a call that hangs does not keep it");
}

#[test]
fn that_the_store_still_has_the_refused_value_is_believed_for_a_while() {
    for terms in [CACHED, OFF] {
        let mut one = One::new(terms);
        one.fetch(found(1));
        let generation = one.must_recheck(1);
        one.settle(generation, found(1));
        assert_eq!(one.wait(4).refuse(1), AfterRefusal::Same, "{terms:?}");
        assert_ne!(one.wait(1).must_recheck(1), generation, "{terms:?}");
    }
}

#[test]
fn without_a_ttl_a_refused_value_is_not_kept_though_its_store_still_has_it() {
    let mut one = One::new(OFF);
    one.fetch(found(1));
    one.cache.lend(&"k", mark(1));
    let generation = one.must_recheck(1);
    one.settle(generation, found(1)).must_ask();
    assert!(!one.cache.keeps_any());
}

#[test]
fn a_key_that_stays_refused_is_fetched_once_in_a_while_and_not_for_each_call() {
    let mut one = One::new(CACHED);
    one.fetch(found(1));
    let mut fetches = 1;
    for _ in 0..60 {
        if let Known::Nothing(generation) = one.wait(1).look() {
            one.settle(generation, found(1));
            fetches += 1;
        }
        if let AfterRefusal::Nothing(generation) = one.refuse(1) {
            one.settle(generation, found(1));
            fetches += 1;
        }
        assert_eq!(one.cache.stale(&"k", one.now + 120 * S), None, "{fetches}");
    }
    assert!((10..=14).contains(&fetches), "{fetches} in a minute");
}

#[test]
fn a_key_that_was_refused_once_is_kept_as_before_when_its_store_says_it_again_later() {
    let mut one = One::new(CACHED);
    one.fetch(found(1));
    let generation = one.must_recheck(1);
    one.settle(generation, found(1));
    assert_eq!(one.wait(4).look(), One::hit(1));
    assert_eq!(one.cache.stale(&"k", one.now + 2 * S), None);
    one.wait(1).fetch(found(1));
    assert_eq!(one.wait(70).look(), One::hit(1));
    one.wait(31).fetch(Settled::Failed { is_transient: true });
    assert_eq!(one.cache.stale(&"k", one.now), Some(1));
}

#[test]
fn refusals_of_ever_new_values_are_looked_into_a_few_times_only() {
    for terms in [CACHED, OFF] {
        let mut one = One::new(terms);
        for value in 0..3 {
            let AfterRefusal::Nothing(generation) = one.refuse(value) else {
                panic!("it is looked into");
            };
            one.settle(generation, found(value + 1));
        }
        assert_eq!(one.refuse(3), AfterRefusal::Same, "{terms:?}");
        assert!(!one.cache.keeps_any(), "a refused value is not kept");
        assert!(matches!(one.wait(15).refuse(3), AfterRefusal::Nothing(_)));
    }
}

#[test]
fn a_refusal_of_the_request_takes_the_value_from_nobody_while_its_store_fails() {
    for (refusal, stale) in [(Refusal::OfTheRequest, Some(1)), (Refusal::OfTheKey, None)] {
        let mut one = One::new(CACHED);
        one.fetch(found(1)).wait(100);
        let after = one.cache.refuse(&"k", mark(1), refusal, one.now);
        let AfterRefusal::Nothing(generation) = after else {
            panic!("it is looked into");
        };
        assert_eq!(
            one.cache.stale(&"k", one.now),
            None,
            "until the store has answered"
        );
        one.settle(generation, Settled::Failed { is_transient: true });
        one.must_ask();
        assert_eq!(one.cache.stale(&"k", one.now), stale);
        one.wait(50);
        assert_eq!(one.cache.stale(&"k", one.now), None);
    }
}

#[test]
fn what_stands_in_for_a_place_that_failed_is_not_kept_and_replaces_nothing() {
    let fallback = |value| match found(value) {
        Settled::Found(fresh) => Settled::Found(Fresh {
            is_fallback: true,
            ..fresh
        }),
        other => other,
    };
    let mut one = One::new(CACHED);
    one.fetch(fallback(9)).must_ask();
    one.fetch(found(1)).wait(80);
    let Known::Value {
        refresh: Some(generation),
        ..
    } = one.look()
    else {
        panic!("it is due");
    };
    one.settle(generation, fallback(9));
    assert_eq!(one.look(), One::hit(1));
}

#[test]
fn a_fetch_from_before_a_refusal_settles_nothing() {
    let mut one = One::new(CACHED);
    let before = one.must_ask();
    let AfterRefusal::Nothing(after) = one.refuse(1) else {
        panic!("it must be fetched");
    };
    one.settle(before, found(1));
    assert_eq!(one.must_ask(), after);
}

#[test]
fn what_is_kept_is_bounded_and_the_least_used_goes_first() {
    let now = Instant::now();
    let mut cache: Cache<usize, u8> = Cache::new();
    let keep = |cache: &mut Cache<usize, u8>, key: usize, bytes: usize| {
        let Known::Nothing(generation) = cache.look(&key, now) else {
            return;
        };
        let fresh = Fresh {
            value: 0,
            mark: mark(0),
            bytes,
            expires_at: None,
            is_fallback: false,
        };
        cache.settle(&key, generation, Settled::Found(fresh), &CACHED, 0.0, now);
    };
    for key in 0..MAX_KEPT {
        keep(&mut cache, key, 8);
    }
    assert!(matches!(cache.look(&0, now), Known::Value { .. }));
    keep(&mut cache, MAX_KEPT, 8);
    assert!(matches!(cache.look(&0, now), Known::Value { .. }));
    assert!(matches!(cache.look(&1, now), Known::Nothing(_)));
    assert_eq!(cache.kept().count(), MAX_KEPT);
    keep(&mut cache, 1, MAX_KEPT_BYTES);
    assert_eq!(
        cache.kept().count(),
        1,
        "one large value displaces the rest"
    );
    keep(&mut cache, 2, MAX_KEPT_BYTES + 1);
    assert!(
        matches!(cache.look(&2, now), Known::Nothing(_)),
        "too large"
    );
}

#[test]
fn slots_of_many_principals_do_not_pile_up() {
    let now = Instant::now();
    let mut cache: Cache<usize, u8> = Cache::new();
    for key in 0..10 * MANY_SLOTS {
        cache.look(&key, now);
    }
    assert!(cache.slots.len() <= MANY_SLOTS);
}

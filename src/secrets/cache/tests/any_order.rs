//! What holds in whatever order looks, fetches, refusals and time come.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(u32),
    Look,
    Settle(u8),
    Lost(bool),
    Refuse(u8),
    Lend(u8),
    GiveBack(u8),
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = 0..3u8;
    prop::collection::vec(
        prop_oneof![
            (0..60u32).prop_map(Step::Wait),
            Just(Step::Look),
            value.clone().prop_map(Step::Settle),
            any::<bool>().prop_map(Step::Lost),
            value.clone().prop_map(Step::Refuse),
            value.clone().prop_map(Step::Lend),
            value.prop_map(Step::GiveBack),
            Just(Step::Sweep),
        ],
        0..60,
    )
}

proptest! {
    #[test]
    fn in_no_order_of_events_is_a_refused_old_or_ended_value_handed_out(
        steps in steps(), cached in any::<bool>(),
    ) {
        let mut one = One::new(if cached { CACHED } else { OFF });
        // When each value last came from the store, and since when it counts as refused.
        let mut came: [Option<Instant>; 3] = [None; 3];
        let (mut refused, mut bridges_nothing): (Option<u8>, Option<u8>) = (None, None);
        for step in steps {
            let now = one.now;
            match step {
                Step::Wait(seconds) => drop(one.wait(seconds)),
                Step::Sweep => drop(one.cache.sweep(now)),
                Step::Lend(value) => one.cache.lend(&"k", mark(value)),
                Step::GiveBack(value) => one.cache.give_back(&"k", mark(value)),
                Step::Look => {
                    if let Known::Value { value, .. } = one.look() {
                        let age = now - came[usize::from(value)].unwrap();
                        prop_assert!(cached && age < CACHED.ttl);
                        prop_assert_ne!(Some(value), refused);
                    }
                    if let Some(value) = one.cache.stale(&"k", now) {
                        let age = now - came[usize::from(value)].unwrap();
                        prop_assert!(cached && age < CACHED.ttl + CACHED.stale_if_error);
                        if age >= CACHED.ttl {
                            prop_assert_ne!(Some(value), bridges_nothing);
                        }
                    }
                }
                Step::Settle(value) => {
                    if let Known::Nothing(generation) = one.look() {
                        // The store says again that it is the one.
                        refused = refused.filter(|refused| *refused != value);
                        if !one.cache.slots["k"].is_rechecking {
                            bridges_nothing = bridges_nothing.filter(|one| *one != value);
                        }
                        one.settle(generation, found(value));
                        came[usize::from(value)] = Some(now);
                    }
                }
                Step::Lost(is_transient) => {
                    if let Known::Nothing(generation) = one.look() {
                        one.settle(generation, Settled::Failed { is_transient });
                    }
                }
                Step::Refuse(value) => match one.refuse(value) {
                    AfterRefusal::Newer(newer) => {
                        prop_assert_ne!(newer, value);
                        prop_assert!(now - came[usize::from(newer)].unwrap() < CACHED.ttl);
                    }
                    AfterRefusal::Same => bridges_nothing = Some(value),
                    AfterRefusal::Nothing(_) => (refused, bridges_nothing) = (Some(value), Some(value)),
                },
            }
        }
    }
}

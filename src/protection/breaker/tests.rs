//! The breaker against a model that knows no states, only what has happened so far.

use proptest::prelude::*;

use super::*;

const SETTINGS: BreakerSettings = BreakerSettings {
    failures: 3,
    open_for: Duration::from_secs(10),
};

#[derive(Debug, Clone)]
enum Event {
    Wait(u64),
    Admit,
    /// Ends one of the fetches that are under way.
    Settle(prop::sample::Index, Evidence),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let evidence = prop_oneof![
        2 => Just(Evidence::Works),
        6 => Just(Evidence::Fails("f".into())),
        1 => Just(Evidence::Nothing),
    ];
    let event = prop_oneof![
        2 => (0_u64..7_000).prop_map(Event::Wait),
        4 => Just(Event::Admit),
        4 => (any::<prop::sample::Index>(), evidence).prop_map(|(i, e)| Event::Settle(i, e)),
    ];
    prop::collection::vec(event, 0..120)
}

/// The law in its plainest form, over numbers alone. Times are milliseconds.
#[derive(Default)]
struct Model {
    streak: u32,
    /// When the store was last given up.
    given_up: Option<u64>,
    /// The fetch that tries the store, by its number.
    trying: Option<usize>,
}

impl Model {
    fn admits(&mut self, now: u64, number: usize) -> bool {
        let Some(given_up) = self.given_up else {
            return true;
        };
        let is_free = self.trying.is_none() && now - given_up >= 10_000;
        if is_free {
            self.trying = Some(number);
        }
        is_free
    }

    fn ends(&mut self, now: u64, number: usize, evidence: &Evidence) {
        let tries = self.trying == Some(number);
        match evidence {
            Evidence::Works => *self = Self::default(),
            Evidence::Nothing if tries => self.trying = None,
            Evidence::Fails(_) if tries => (self.trying, self.given_up) = (None, Some(now)),
            Evidence::Fails(_) if self.given_up.is_none() => {
                self.streak += 1;
                self.given_up = (self.streak >= 3).then_some(now);
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_breaker_decides_as_the_model_does(events in events()) {
        let start = Instant::now();
        let (mut breaker, mut model) = (Breaker::new(SETTINGS), Model::default());
        let mut under_way: Vec<(usize, Permit)> = Vec::new();
        let mut now = 0;
        for (number, event) in events.into_iter().enumerate() {
            let at = start + Duration::from_millis(now);
            match event {
                Event::Wait(time) => now += time,
                Event::Admit => {
                    let admitted = breaker.admit(at);
                    prop_assert_eq!(admitted.is_ok(), model.admits(now, number));
                    under_way.extend(admitted.ok().map(|permit| (number, permit)));
                }
                Event::Settle(index, evidence) if !under_way.is_empty() => {
                    let (number, permit) = under_way.swap_remove(index.index(under_way.len()));
                    model.ends(now, number, &evidence);
                    breaker.settle(permit, evidence, at);
                }
                Event::Settle(..) => {}
            }
            prop_assert_eq!(breaker.state() == BreakerState::Closed, model.given_up.is_none());
        }
    }
}

fn fail(breaker: &mut Breaker, now: Instant) {
    let permit = breaker.admit(now).unwrap();
    breaker.settle(permit, Evidence::Fails("no route".into()), now);
}

#[test]
fn a_refusal_says_since_when_for_how_long_and_why() {
    let start = Instant::now();
    let mut breaker = Breaker::new(SETTINGS);
    (0..3).for_each(|_| fail(&mut breaker, start));
    let at = |seconds| start + Duration::from_secs(seconds);
    let refusal = breaker.admit(at(4)).unwrap_err();
    assert_eq!(refusal.open_for, Duration::from_secs(4));
    assert_eq!(refusal.remaining, Some(Duration::from_secs(6)));
    assert_eq!(refusal.last_failure, "no route");
    // The probe fails: the store has now been gone for longer than this one interval.
    fail(&mut breaker, at(10));
    let refusal = breaker.admit(at(11)).unwrap_err();
    assert_eq!(refusal.open_for, Duration::from_secs(11));
    assert_eq!(refusal.remaining, Some(Duration::from_secs(9)));
}

#[test]
fn a_failure_older_than_the_decision_does_not_change_it() {
    let start = Instant::now();
    let mut breaker = Breaker::new(SETTINGS);
    let early = breaker.admit(start).unwrap();
    (0..3).for_each(|_| fail(&mut breaker, start));
    let later = start + SETTINGS.open_for;
    let probe = breaker.admit(later).unwrap();
    breaker.settle(early, Evidence::Fails("late".into()), later);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(
        breaker.admit(later).is_err(),
        "a second probe beside the first"
    );
    breaker.settle(probe, Evidence::Works, later);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

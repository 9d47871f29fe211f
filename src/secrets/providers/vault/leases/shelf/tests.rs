//! The shelf, told the time: whatever is done in whatever order, nobody loses what they were
//! promised, and the shelf stays within its bound.

use std::time::Duration;

use proptest::prelude::*;

use super::{super::term::Grant, *};
use crate::secrets::memory::Pool;

/// A shelf, the leases made for it, and a clock.
struct Case {
    pool: Arc<Pool>,
    shelf: Shelf,
    now: Instant,
    made: Vec<oneshot::Receiver<()>>,
}

fn key(n: usize) -> Key {
    Key {
        namespace: None,
        mount: "db".into(),
        path: format!("creds/{n}"),
    }
}

impl Case {
    fn new() -> Self {
        Self {
            pool: Pool::reserve(),
            shelf: Shelf::default(),
            now: Instant::now(),
            made: Vec::new(),
        }
    }

    /// A lease of a minute for place `n`.
    fn put(&mut self, n: usize, is_renewable: bool) -> Result<Leased, NotHeld> {
        let grant = Grant {
            duration: Duration::from_secs(60),
            is_renewable,
        };
        let term = Term::granted(self.now, grant);
        let leased = Leased {
            number: self.made.len() as u64,
            answer: Arc::new(self.pool.try_store(b"{}").unwrap()),
            version: format!("lease-{n}").into(),
            ends: term.ends(),
        };
        let (hold, let_go) = oneshot::channel();
        self.made.push(let_go);
        let entry = Entry::new(&leased, term, 0, hold);
        self.shelf.put(key(n), entry, self.now).map(|()| leased)
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn due(&mut self, leased: &Leased) -> Due {
        self.shelf.due(leased.number, self.now)
    }

    /// Whether the lease's keeper was told to give it back.
    fn is_given_back(&mut self, leased: &Leased) -> bool {
        let let_go = &mut self.made[usize::try_from(leased.number).unwrap()];
        matches!(let_go.try_recv(), Err(oneshot::error::TryRecvError::Closed))
    }

    fn held(&self, n: usize) -> Option<(u64, Condition)> {
        let (leased, condition, _) = self.shelf.look(&key(n), self.now)?;
        Some((leased.number, condition))
    }
}

#[test]
fn a_lease_is_renewed_while_it_is_used_and_given_back_when_it_is_not() {
    let mut case = Case::new();
    let leased = case.put(1, true).unwrap();
    assert!(case.shelf.claim(&leased));
    case.pass(40);
    assert_eq!(case.due(&leased), Due::Renew);
    let grant = Grant {
        duration: Duration::from_secs(60),
        is_renewable: true,
    };
    let next = Term::granted(case.now, grant);
    case.shelf.renewed(leased.number, next);
    case.pass(40);
    assert_eq!(case.due(&leased), Due::Unused);
    assert!(case.is_given_back(&leased));
    assert_eq!(case.held(1), None);
}

#[test]
fn a_lease_that_nobody_ever_took_is_given_back_when_it_is_due() {
    let mut case = Case::new();
    let leased = case.put(1, false).unwrap();
    case.pass(40);
    assert_eq!(case.due(&leased), Due::Unused);
    assert!(case.is_given_back(&leased));
}

#[test]
fn a_lease_that_cannot_be_renewed_is_left_to_whoever_got_it_and_replaced() {
    let mut case = Case::new();
    let first = case.put(1, false).unwrap();
    assert!(case.shelf.claim(&first));
    case.pass(40);
    assert_eq!(case.due(&first), Due::Leave);
    assert_eq!(case.held(1), Some((0, Condition::Aging)));
    let second = case.put(1, false).unwrap();
    assert_eq!(case.held(1), Some((1, Condition::Fresh)));
    assert!(!case.is_given_back(&first));
    assert_eq!(case.due(&first), Due::Leave);
    case.pass(20);
    case.shelf.strike_out(first.number);
    assert_eq!(case.held(1), Some((1, Condition::Fresh)));
    assert!(!case.is_given_back(&second));
}

#[test]
fn a_refused_value_takes_its_lease_along() {
    let mut case = Case::new();
    let leased = case.put(1, true).unwrap();
    assert!(case.shelf.claim(&leased));
    assert!(case.shelf.let_go(&key(1)));
    assert!(case.is_given_back(&leased));
    assert!(!case.shelf.let_go(&key(1)) && !case.shelf.claim(&leased));
    assert_eq!(case.pool.used_bytes(), 64, "only this test holds it now");
}

#[test]
fn a_full_shelf_takes_only_what_an_unused_lease_makes_way_for() {
    let mut case = Case::new();
    let leases: Vec<_> = (0..MOST).map(|n| case.put(n, true).unwrap()).collect();
    assert!(
        !case.shelf.has_room(&key(MOST), case.now),
        "they may be claimed yet"
    );
    for leased in &leases {
        assert!(case.shelf.claim(leased));
    }
    assert!(matches!(case.put(MOST, true), Err(NotHeld::Full)));
    case.pass(40);
    let grant = Grant {
        duration: Duration::from_secs(60),
        is_renewable: true,
    };
    let next = Term::granted(case.now, grant);
    case.shelf.renewed(leases[0].number, next);
    assert!(
        matches!(case.put(MOST, true), Err(NotHeld::Full)),
        "promised"
    );
    // A place that is there already needs no room.
    assert!(case.put(7, true).is_ok());
    case.pass(21);
    assert!(case.put(MOST, true).is_ok());
    assert!(
        case.is_given_back(&leases[0]),
        "nobody used the first again"
    );
    assert!(!case.is_given_back(&leases[1]));
}

#[test]
fn a_closed_shelf_gives_all_back_and_takes_nothing() {
    let mut case = Case::new();
    let first = case.put(1, true).unwrap();
    let second = case.put(1, true).unwrap();
    case.shelf.close();
    assert!(case.is_given_back(&first) && case.is_given_back(&second));
    assert!(matches!(case.put(2, true), Err(NotHeld::Closed)));
}

proptest! {
    /// Uses, renewals and replacements in any order: a value that went out lives until the end that
    /// went with it, and the shelf never grows beyond its bound.
    #[test]
    fn nobody_loses_what_they_were_promised(
        steps in prop::collection::vec((0usize..40, 0u8..6, 0u64..40), 1..200),
    ) {
        let mut case = Case::new();
        let mut leases: Vec<(Leased, Term)> = Vec::new();
        let mut promises: Vec<Leased> = Vec::new();
        for (n, what, seconds) in steps {
            case.pass(seconds);
            // Keepers strike out what has ended.
            for (leased, term) in &leases {
                if term.condition(case.now) == Condition::Over {
                    case.shelf.strike_out(leased.number);
                }
            }
            match what {
                0 | 1 => if let Ok(leased) = case.put(n, what == 0) {
                    let grant = Grant { duration: Duration::from_secs(60), is_renewable: what == 0 };
                    leases.push((leased, Term::granted(case.now, grant)));
                },
                2 | 3 => if let Some((leased, ..)) = case.shelf.look(&key(n), case.now) {
                    assert!(case.shelf.claim(&leased));
                    promises.push(leased);
                },
                _ => for (leased, term) in &mut leases {
                    if term.due(0.0) <= case.now && case.due(leased) == Due::Renew {
                        let grant = Grant { duration: Duration::from_secs(60), is_renewable: what == 4 };
                        *term = term.renewed(case.now, grant);
                        case.shelf.renewed(leased.number, *term);
                    }
                },
            }
            prop_assert!(case.shelf.held.len() <= MOST && case.shelf.retired.len() <= MOST);
            promises.retain(|leased| leased.ends > case.now);
            // Retired ones are bounded too; that bound is the only reason to break a promise.
            if case.shelf.retired.len() < MOST {
                for leased in promises.clone() {
                    prop_assert!(!case.is_given_back(&leased), "lease {}", leased.number);
                }
            }
        }
    }
}

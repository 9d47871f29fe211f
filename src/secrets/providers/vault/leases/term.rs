//! One lease's time: when it is renewed, from when on a newer one is wanted, when it is over.
//!
//! Pure: the time and chance come in as values. Every instant counts from before the request that
//! was answered with the term, so that a slow answer makes a lease end early here, never late.

use std::time::{Duration, Instant};

/// How far apart the tries of a failing renewal are at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What Vault granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Grant {
    pub(in super::super) duration: Duration,
    pub(in super::super) is_renewable: bool,
}

/// How a lease stands at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Fresh,
    /// It still holds, but whoever asks should get a newer one.
    Aging,
    Over,
}

/// The time from a grant or a renewal to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    from: Instant,
    ends: Instant,
    /// The length of the first grant, which a full renewal gives again.
    whole: Duration,
    can_renew: bool,
}

impl Term {
    /// The first term, asked for at `asked_at`.
    pub(super) fn granted(asked_at: Instant, grant: Grant) -> Self {
        // A year is as good as any longer time, and cannot overflow.
        let duration = grant.duration.min(Duration::from_secs(365 * 24 * 3600));
        Self {
            from: asked_at,
            ends: asked_at + duration,
            whole: duration,
            can_renew: grant.is_renewable,
        }
    }

    /// The next term. One that is shorter than the first ends at the lease's maximum life: there
    /// will be no further.
    pub(super) fn renewed(&self, asked_at: Instant, grant: Grant) -> Self {
        let next = Self::granted(asked_at, grant);
        // Vault counts in whole seconds.
        let is_capped = next.whole + Duration::from_secs(1) < self.whole;
        Self {
            whole: self.whole,
            can_renew: next.can_renew && !is_capped,
            ..next
        }
    }

    /// The same term where Vault said that it will not be renewed.
    pub(super) fn made_last(self) -> Self {
        Self {
            can_renew: false,
            ..self
        }
    }

    pub(super) fn ends(&self) -> Instant {
        self.ends
    }

    pub(super) fn can_renew(&self) -> bool {
        self.can_renew
    }

    /// When to renew: at two thirds, or up to a tenth of that earlier. `chance` is in `0.0..1.0`.
    pub(super) fn due(&self, chance: f64) -> Instant {
        let share = (2.0 / 3.0) * (1.0 - chance.clamp(0.0, 1.0) / 10.0);
        self.from + (self.ends - self.from).mul_f64(share)
    }

    /// A lease that can be renewed ages when its renewal is well overdue; another one in its last
    /// third. Both are measured on the first term: a short last one is no use to anybody.
    pub(super) fn condition(&self, now: Instant) -> Condition {
        let rest = if self.can_renew {
            self.whole / 6
        } else {
            self.whole / 3
        };
        if now >= self.ends {
            Condition::Over
        } else if now + rest >= self.ends {
            Condition::Aging
        } else {
            Condition::Fresh
        }
    }

    /// How long to wait after the `failures`th renewal that failed: any time up to a limit that
    /// doubles, so that many clients do not come back together. `None`: not again in this term.
    pub(super) fn pause(&self, failures: u32, now: Instant, chance: f64) -> Option<Duration> {
        let first = (self.whole / 24).min(Duration::from_secs(1));
        let limit = first
            .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
            .min(LONGEST_PAUSE);
        // Never quite zero, or chance could make a loop of it.
        let pause = limit.mul_f64(chance.clamp(0.1, 1.0));
        (now + pause < self.ends).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(seconds: u64, is_renewable: bool) -> Grant {
        Grant {
            duration: Duration::from_secs(seconds),
            is_renewable,
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_lease_that_cannot_be_renewed_ages_in_its_last_third() {
        let start = Instant::now();
        let term = Term::granted(start, grant(60, false));
        assert_eq!(term.condition(start + seconds(39)), Condition::Fresh);
        assert_eq!(term.condition(start + seconds(40)), Condition::Aging);
        assert_eq!(term.condition(start + seconds(60)), Condition::Over);
    }

    #[test]
    fn a_renewal_that_gives_less_than_the_first_grant_is_the_last() {
        let start = Instant::now();
        let first = Term::granted(start, grant(60, true));
        let second = first.renewed(start + seconds(40), grant(60, true));
        assert!(second.can_renew());
        assert_eq!(second.ends(), start + seconds(100));
        let last = second.renewed(start + seconds(80), grant(30, true));
        assert!(!last.can_renew());
        // A third of the first grant, not of the rest.
        assert_eq!(last.condition(start + seconds(89)), Condition::Fresh);
        assert_eq!(last.condition(start + seconds(90)), Condition::Aging);
        let stub = second.renewed(start + seconds(80), grant(5, true));
        assert_eq!(stub.condition(start + seconds(80)), Condition::Aging);
    }

    #[test]
    fn a_grant_for_ever_does_not_overflow() {
        let start = Instant::now();
        let term = Term::granted(start, grant(u64::MAX, true));
        assert!(term.due(0.5) > start);
        assert_eq!(
            term.renewed(start, grant(u64::MAX, true)).ends(),
            term.ends()
        );
    }

    proptest! {
        #[test]
        fn a_renewal_is_due_while_the_lease_is_fresh_and_never_after_two_thirds(
            length in 1u64..10_000_000, chance in 0.0..1.0f64,
        ) {
            let start = Instant::now();
            let term = Term::granted(start, grant(length, true));
            let due = term.due(chance);
            prop_assert_eq!(term.condition(due), Condition::Fresh);
            prop_assert!(due >= start + seconds(length).mul_f64(0.599));
            prop_assert!(due <= start + seconds(length).mul_f64(0.667));
        }

        /// What was promised in one term has ended when an unused lease is let go in the next.
        #[test]
        fn the_next_due_time_lies_behind_the_end_of_the_term_before(
            length in 2u64..10_000_000, chance in 0.0..1.0f64, other in 0.0..1.0f64,
        ) {
            let start = Instant::now();
            let term = Term::granted(start, grant(length, true));
            let next = term.renewed(term.due(chance), grant(length, true));
            prop_assert!(next.due(other) > term.ends());
        }

        #[test]
        fn a_failing_renewal_is_tried_again_within_the_term_and_not_in_a_loop(
            length in 1u64..10_000_000, failures in 1u32..100, chance in 0.0..1.0f64,
            passed in 0.0..1.0f64,
        ) {
            let start = Instant::now();
            let term = Term::granted(start, grant(length, true));
            let now = start + seconds(length).mul_f64(passed);
            if let Some(pause) = term.pause(failures, now, chance) {
                prop_assert!(now + pause < term.ends());
                prop_assert!(pause >= Duration::from_millis(4) && pause <= LONGEST_PAUSE);
            }
        }
    }
}

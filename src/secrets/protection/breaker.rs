//! The circuit breaker's rules: when a store that keeps failing is left alone, and who may try it
//! again.
//!
//! Pure: the time is passed in, nothing is logged, nothing waits. A breaker protects both sides:
//! a store that is down is not hammered while it comes back, and a call learns at once what it
//! would otherwise learn at its deadline.

use std::time::Duration;

use tokio::time::Instant;

use crate::secrets::providers::{BreakerSettings, ErrorKind, Lookup, ProviderError};

/// What a circuit breaker does with the next fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// It passes.
    Closed,
    /// It is refused: the store is left alone for a while.
    Open,
    /// One fetch tries the store for all; the others are refused until it has ended.
    HalfOpen,
}

/// What the end of a fetch says of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It answers, if only with a refusal.
    Works,
    /// It does not, in the operator's words.
    Fails(String),
    /// Nothing: the failure was ours, or the fetch was given up.
    Nothing,
}

impl Evidence {
    /// What `answers` to one question, or to several asked together, say. One that works is enough.
    pub(super) fn of(answers: &[Result<Lookup, ProviderError>]) -> Self {
        let mut whole = Self::Nothing;
        for answer in answers {
            match answer
                .as_ref()
                .map_or_else(Self::of_failure, |_| Self::Works)
            {
                Self::Works => return Self::Works,
                found if whole == Self::Nothing => whole = found,
                _ => {}
            }
        }
        whole
    }

    fn of_failure(error: &ProviderError) -> Self {
        match error.kind {
            ErrorKind::Sealed
            | ErrorKind::Unreachable
            | ErrorKind::TimedOut
            | ErrorKind::Throttled
            | ErrorKind::ServerFailed
            // Not transient, but stores lock an account whose login keeps failing.
            | ErrorKind::LoginFailed => Self::Fails(error.to_string()),
            ErrorKind::Forbidden
            | ErrorKind::EngineFailed
            | ErrorKind::Malformed
            | ErrorKind::FieldAbsent
            | ErrorKind::Deleted => Self::Works,
            // Found out before the store was reached, or by somebody who stands before it.
            ErrorKind::Tls
            | ErrorKind::Misconfigured
            | ErrorKind::UnsafePermissions
            | ErrorKind::PoolFull
            | ErrorKind::CircuitOpen => Self::Nothing,
        }
    }
}

/// Leave to ask the store once. It must come back to [`Breaker::settle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Permit {
    /// The number of the probe, if it is one.
    probe: Option<u64>,
}

/// Why the store is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For how long the store has been left alone.
    pub(super) open_for: Duration,
    /// For how much longer. `None`: one fetch is trying it now.
    pub(super) remaining: Option<Duration>,
    /// The failure that opened the breaker, or the last one since.
    pub(super) last_failure: String,
}

/// One provider's breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: State,
    last_failure: String,
    probes: u64,
}

#[derive(Debug)]
enum State {
    Closed {
        /// In a row.
        failures: u32,
    },
    Open {
        /// When it opened first.
        since: Instant,
        /// When it opened last: the end of the last probe that failed.
        from: Instant,
    },
    HalfOpen {
        since: Instant,
        probe: Option<u64>,
    },
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed { failures: 0 },
            last_failure: String::new(),
            probes: 0,
        }
    }

    /// Lets a fetch pass, or refuses it.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Permit, Refusal> {
        let (since, remaining) = match self.state {
            State::Closed { .. } => return Ok(Permit { probe: None }),
            State::HalfOpen { since, probe: None } => return Ok(self.probe(since)),
            State::HalfOpen { since, .. } => (since, None),
            State::Open { since, from } => {
                let left = self.left(from, now);
                if left.is_zero() {
                    return Ok(self.probe(since));
                }
                (since, Some(left))
            }
        };
        Err(Refusal {
            open_for: now.saturating_duration_since(since),
            remaining,
            last_failure: self.last_failure.clone(),
        })
    }

    fn probe(&mut self, since: Instant) -> Permit {
        self.probes += 1;
        let probe = Some(self.probes);
        self.state = State::HalfOpen { since, probe };
        Permit { probe }
    }

    fn left(&self, from: Instant, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(from);
        self.settings.open_for.saturating_sub(passed)
    }

    /// Ends a fetch that was let pass.
    ///
    /// An answer closes the breaker whoever got it: a fetch that was under way when the breaker
    /// opened and succeeds after all shows as much as a probe. A failure is counted while closed;
    /// afterwards only the probe's is, since the others are older than the decision they would
    /// change.
    pub(super) fn settle(&mut self, permit: Permit, evidence: Evidence, now: Instant) {
        match evidence {
            Evidence::Works => self.state = State::Closed { failures: 0 },
            Evidence::Fails(words) => match self.state {
                State::Closed { failures } => {
                    self.last_failure = words;
                    let failures = failures.saturating_add(1);
                    self.state = if failures >= self.settings.failures {
                        State::Open {
                            since: now,
                            from: now,
                        }
                    } else {
                        State::Closed { failures }
                    };
                }
                State::HalfOpen { since, probe } if is_of(permit, probe) => {
                    self.last_failure = words;
                    self.state = State::Open { since, from: now };
                }
                State::Open { .. } | State::HalfOpen { .. } => {}
            },
            // The next fetch is the probe.
            Evidence::Nothing => match self.state {
                State::HalfOpen { since, probe } if is_of(permit, probe) => {
                    self.state = State::HalfOpen { since, probe: None };
                }
                _ => {}
            },
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Failures in a row, while closed.
    pub(super) fn failures(&self) -> u32 {
        match self.state {
            State::Closed { failures } => failures,
            _ => self.settings.failures,
        }
    }

    /// For how much longer the store is left alone.
    #[cfg(test)]
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { from, .. } => Some(self.left(from, now)),
            _ => None,
        }
    }

    /// The last failure that counted; empty if there was none.
    pub(super) fn last_failure(&self) -> &str {
        &self.last_failure
    }
}

fn is_of(permit: Permit, probe: Option<u64>) -> bool {
    permit.probe.is_some() && permit.probe == probe
}

#[cfg(test)]
mod tests;

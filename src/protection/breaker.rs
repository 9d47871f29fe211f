//! The circuit breaker's rules: when a store that keeps failing is left alone, and who may try it
//! again.
//!
//! Pure: the time is passed in, nothing is logged, nothing waits. A breaker protects both sides:
//! a store that is down is not hammered while it comes back, and a call learns at once what it
//! would otherwise learn at its deadline.

use std::time::Duration;

use tokio::time::Instant;

use serde::Deserialize;

use crate::settings;

/// The setting `breaker`: after how many failures in a row a store is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Transient failures in a row, retries not counted apart.
    pub failures: u32,
    /// How long no fetch is tried. After that one fetch tries for all.
    #[serde(deserialize_with = "settings::duration")]
    pub open_for: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            open_for: Duration::from_secs(10),
        }
    }
}

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
pub(crate) enum Evidence {
    /// It answers, if only with a refusal.
    Works,
    /// It does not, in the operator's words.
    Fails(String),
    /// Nothing: the failure was ours, or the fetch was given up.
    Nothing,
}

/// Leave to ask the store once. It must come back to [`Breaker::settle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permit {
    /// The number of the probe, if it is one.
    probe: Option<u64>,
}

/// Why the store is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// For how long the store has been left alone.
    pub(crate) open_for: Duration,
    /// For how much longer. `None`: one fetch is trying it now.
    pub(crate) remaining: Option<Duration>,
    /// The failure that opened the breaker, or the last one since.
    pub(crate) last_failure: String,
}

/// One provider's breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
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
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed { failures: 0 },
            last_failure: String::new(),
            probes: 0,
        }
    }

    /// Lets a fetch pass, or refuses it.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Permit, Refusal> {
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
    pub(crate) fn settle(&mut self, permit: Permit, evidence: Evidence, now: Instant) {
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

    pub(crate) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Failures in a row, while closed.
    pub(crate) fn failures(&self) -> u32 {
        match self.state {
            State::Closed { failures } => failures,
            _ => self.settings.failures,
        }
    }

    /// For how much longer the store is left alone.
    #[cfg(test)]
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { from, .. } => Some(self.left(from, now)),
            _ => None,
        }
    }

    /// The last failure that counted; empty if there was none.
    pub(crate) fn last_failure(&self) -> &str {
        &self.last_failure
    }
}

fn is_of(permit: Permit, probe: Option<u64>) -> bool {
    permit.probe.is_some() && permit.probe == probe
}

#[cfg(test)]
mod tests;

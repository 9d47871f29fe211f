//! The gate before one provider: its breaker, shared by all fetches, and whoever wants to know of
//! its changes.
//!
//! A fetch that passed holds an [`Admitted`]; one that is dropped without an end, because its caller
//! went away, gives its place back, so that a probe that nobody waits for cannot keep the store
//! closed to all.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    protection::{Breaker, BreakerSettings, BreakerState, Evidence, Permit, Refusal},
    secrets::providers::{ErrorKind, ProviderError},
    settings::milliseconds,
};

/// Told of each change of a provider's breaker, in order. It is called while the breaker is locked,
/// so it must be quick, and must not ask that provider anything.
pub type BreakerWatch = Arc<dyn Fn(&'static str, BreakerState) + Send + Sync>;

/// A breaker as it stands, for tests.
#[cfg(test)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerReport {
    /// What happens to the next fetch.
    pub state: BreakerState,
    /// Failures in a row.
    pub failures: u32,
    /// For how much longer the store is left alone, while open.
    pub remaining: Option<Duration>,
    /// The last failure that counted, since the process started.
    pub last_failure: Option<String>,
}

/// One provider's breaker, with its name and its watch.
pub(super) struct Gate {
    provider: &'static str,
    settings: BreakerSettings,
    breaker: Mutex<Breaker>,
    watch: Option<BreakerWatch>,
}

impl Gate {
    pub(super) fn new(
        provider: &'static str,
        settings: BreakerSettings,
        watch: Option<BreakerWatch>,
    ) -> Self {
        Self {
            provider,
            settings,
            breaker: Mutex::new(Breaker::new(settings)),
            watch,
        }
    }

    /// Lets a fetch pass, or refuses it.
    pub(super) fn admit(&self) -> Result<Admitted<'_>, ProviderError> {
        match self.change(|breaker, now| breaker.admit(now)) {
            Ok(permit) => Ok(Admitted {
                gate: self,
                permit: Some(permit),
            }),
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    fn refused(&self, refusal: &Refusal) -> ProviderError {
        let until = match refusal.remaining {
            Some(left) => format!("for another {left:.1?}"),
            None => "until the fetch that tries it now has ended".to_owned(),
        };
        let detail = format!(
            "left alone for {:.1?} now, {until} (`secrets.providers.{}.breaker`); the last \
             failure: {}",
            refusal.open_for, self.provider, refusal.last_failure
        );
        // How long a probe takes nobody knows.
        let wait = refusal.remaining.unwrap_or(Duration::from_secs(1));
        ProviderError::new(ErrorKind::CircuitOpen, detail).retry_after(Some(wait))
    }

    #[cfg(test)]
    pub(super) fn report(&self) -> BreakerReport {
        let breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let last = breaker.last_failure();
        BreakerReport {
            state: breaker.state(),
            failures: breaker.failures(),
            remaining: breaker.remaining(Instant::now()),
            last_failure: (!last.is_empty()).then(|| last.to_owned()),
        }
    }

    /// Does something to the breaker, and tells of it if that changed its state.
    fn change<R>(&self, act: impl FnOnce(&mut Breaker, Instant) -> R) -> R {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let before = breaker.state();
        let outcome = act(&mut breaker, Instant::now());
        let after = breaker.state();
        if before != after {
            self.tell(after, &breaker);
        }
        outcome
    }

    fn tell(&self, state: BreakerState, breaker: &Breaker) {
        let provider = self.provider;
        match state {
            BreakerState::Open => tracing::warn!(
                provider,
                failures = breaker.failures(),
                open_for_ms = milliseconds(self.settings.open_for),
                error = breaker.last_failure(),
                "secret provider keeps failing and is left alone for a while"
            ),
            BreakerState::HalfOpen => {
                tracing::debug!(provider, "secret provider is tried again by one fetch");
            }
            BreakerState::Closed => tracing::info!(provider, "secret provider answers again"),
        }
        if let Some(watch) = &self.watch {
            watch(provider, state);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("provider", &self.provider)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

/// A fetch that was let pass.
pub(super) struct Admitted<'g> {
    gate: &'g Gate,
    permit: Option<Permit>,
}

impl Admitted<'_> {
    /// Ends the fetch.
    pub(super) fn settle(mut self, evidence: Evidence) {
        self.end(evidence);
    }

    fn end(&mut self, evidence: Evidence) {
        if let Some(permit) = self.permit.take() {
            self.gate
                .change(|breaker, now| breaker.settle(permit, evidence, now));
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.end(Evidence::Nothing);
    }
}

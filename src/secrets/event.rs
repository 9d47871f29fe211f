//! What the broker tells about each secret that was asked for: to the log, to metrics, and to
//! whoever keeps an audit.
//!
//! An event names who asked, what for, which secret in which version, and how it ended; it has no
//! place where a value could stand. The recorder may refuse: a secret whose use could not be
//! recorded is not handed out.

use std::{future::ready, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{BreakerState, Consumer, SecretName};
use crate::call::CallIdentity;

/// One use of a secret, or an attempt at one.
#[derive(Debug, Clone, Copy)]
pub struct SecretEvent<'a> {
    /// On whose behalf: principal, tool and request id.
    pub asker: &'a CallIdentity,
    /// Which part of the program wanted it. Not its label: a model provider may be called anything.
    pub consumer: &'a Consumer,
    /// The secret.
    pub name: &'a SecretName,
    /// How it ended.
    pub outcome: SecretOutcome,
    /// The secret provider that had it, or that failed.
    pub provider: Option<&'a str>,
    /// The provider's version of it, if it has versions.
    pub version: Option<&'a str>,
    /// From the question to the answer.
    pub latency: Duration,
    /// What went wrong, for the operator.
    pub error: Option<&'a str>,
}

/// How a question for a secret ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretOutcome {
    /// It was fetched for this call, alone or together with others.
    Fetched,
    /// It was kept from an earlier fetch.
    Hit,
    /// Its store failed, and an older value was used, within `stale_if_error`.
    Stale,
    /// It was fetched ahead of its end, in the background.
    Refreshed,
    /// An upstream refused the value, and the store has another.
    Rotated,
    /// An upstream refused the value, and the store still has the same.
    StillRefused,
    /// Nobody has it.
    NotFound,
    /// The caller may not use it.
    NotAllowed,
    /// The stores could not answer.
    Failed,
    /// The store that would have answered is left alone for a while: it was not asked.
    LeftAlone,
}

impl SecretOutcome {
    /// One word, for logs, metrics and audit.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Refreshed => "refreshed",
            Self::Rotated => "rotated",
            Self::StillRefused => "still_refused",
            Self::NotFound => "not_found",
            Self::NotAllowed => "not_allowed",
            Self::Failed => "failed",
            Self::LeftAlone => "left_alone",
        }
    }
}

/// What a store's session did on its own: a login, a renewal, a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Upkeep {
    /// Logged in.
    LoggedIn,
    /// The login was renewed.
    TokenRenewed,
    /// A dynamic secret was leased.
    Leased,
    /// A lease was renewed.
    LeaseRenewed,
    /// A login or a lease was revoked.
    Revoked,
    /// One of these failed.
    Failed,
}

impl Upkeep {
    /// One word, for logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::LoggedIn => "logged_in",
            Self::TokenRenewed => "token_renewed",
            Self::Leased => "leased",
            Self::LeaseRenewed => "lease_renewed",
            Self::Revoked => "revoked",
            Self::Failed => "failed",
        }
    }
}

/// The record could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the use of a secret could not be recorded")]
pub struct NotRecorded;

/// Takes what the broker tells. Implementations must not block a thread.
pub trait SecretRecorder: Send + Sync {
    /// Takes one event, and ends when it is kept.
    ///
    /// # Errors
    /// [`NotRecorded`]: the secret is then not handed out.
    fn record<'a>(&'a self, event: &'a SecretEvent<'a>) -> BoxFuture<'a, Result<(), NotRecorded>>;

    /// Takes a change of a provider's circuit breaker.
    fn breaker_changed(&self, provider: &'static str, state: BreakerState);

    /// Takes what a provider's session did on its own.
    fn upkeep(&self, provider: &'static str, upkeep: Upkeep);
}

/// Takes everything and keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unrecorded;

impl Unrecorded {
    /// As everything that tells takes it.
    #[must_use]
    pub fn shared() -> Arc<dyn SecretRecorder> {
        Arc::new(Self)
    }
}

impl SecretRecorder for Unrecorded {
    fn record<'a>(&'a self, _: &'a SecretEvent<'a>) -> BoxFuture<'a, Result<(), NotRecorded>> {
        Box::pin(ready(Ok(())))
    }

    fn breaker_changed(&self, _: &'static str, _: BreakerState) {}

    fn upkeep(&self, _: &'static str, _: Upkeep) {}
}

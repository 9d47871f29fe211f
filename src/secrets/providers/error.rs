//! Why a secret provider could not answer, in the few sorts that an operator treats differently.
//!
//! The words here and in `detail` are ours alone: what a store sent as text must never be put
//! into one of these types, because stores quote what they were sent.

use std::time::Duration;

/// Why a provider could not answer. It stops the chain unless the provider is marked
/// `on_error: next`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct ProviderError {
    /// What sort of failure, in words that a client may see.
    pub kind: ErrorKind,
    /// What happened and what to do, for the operator: may name addresses, paths of the host and
    /// settings; never a value, and never text that the store sent.
    pub detail: String,
    /// When the store wants to be asked again, if it said so.
    pub retry_after: Option<Duration>,
}

impl ProviderError {
    /// An error with the operator's `detail`.
    #[must_use]
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// With the store's wish when to be asked again.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl ErrorKind {
    /// Whether the same question may be answered later, without anybody changing anything here: the
    /// failures through which a stale value may be used where that is allowed. Which of them are
    /// tried again, and what counts against a store, is decided more narrowly in `protection`.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Sealed
                | Self::Unreachable
                | Self::TimedOut
                | Self::Throttled
                | Self::ServerFailed
                | Self::EngineFailed
                | Self::CircuitOpen
        )
    }
}

/// The sorts of failure that an operator treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The store knows us and says no.
    #[error("permission denied")]
    Forbidden,
    /// Our login at the store failed.
    #[error("login failed")]
    LoginFailed,
    /// The store is sealed, in standby or not yet initialised.
    #[error("the store is sealed")]
    Sealed,
    /// No connection, or it broke.
    #[error("the store cannot be reached")]
    Unreachable,
    /// The connection's certificate or handshake was refused.
    #[error("TLS failed")]
    Tls,
    /// No answer within the deadline.
    #[error("the store did not answer in time")]
    TimedOut,
    /// The store asks us to slow down.
    #[error("the store is throttling")]
    Throttled,
    /// The store failed again and again, and is left alone for a while.
    #[error("the store failed repeatedly and is not asked for a while")]
    CircuitOpen,
    /// The store works, and the engine of it that makes this secret does not: its database is down,
    /// say.
    #[error("the secret engine failed")]
    EngineFailed,
    /// The store answered with its own failure.
    #[error("the store failed")]
    ServerFailed,
    /// What came back is not a usable value.
    #[error("the value is malformed")]
    Malformed,
    /// The secret is there, the field of it is not.
    #[error("the field is absent")]
    FieldAbsent,
    /// This version was deleted or destroyed, or the secret is marked for deletion.
    #[error("the secret was deleted")]
    Deleted,
    /// The reference, mount, namespace or a setting is wrong.
    #[error("misconfigured")]
    Misconfigured,
    /// The file or directory may be read by others, or not by us.
    #[error("unsafe permissions")]
    UnsafePermissions,
    /// No room in locked memory.
    #[error("locked memory is full")]
    PoolFull,
}

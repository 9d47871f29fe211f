//! Secret providers: the stores that keys are fetched from, one folder each, and the trait they
//! stand behind.
//!
//! A provider answers one question, "what is at this reference now?", and keeps nothing of the
//! answer. It never logs or returns what a store sent it as text: an error's words are its own.

use std::{fmt, path::Path, sync::Arc, time::SystemTime};

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{
    Reference, SecretName,
    memory::{LockedBuffer, Pool, TakenEnvironment},
};
use crate::{call::CallIdentity, settings::Environment};

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "env")]
pub mod env;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "vault")]
pub mod vault;

/// The longest value a secret may have, in bytes: the locked pool is small on purpose.
pub const MAX_VALUE_BYTES: usize = 16 * 1024;

/// A place that keys are fetched from.
pub trait SecretProvider: Send + Sync {
    /// The provider's name in configuration, such as `vault`.
    fn name(&self) -> &'static str;

    /// Where this provider would look for a name that has no reference of its own; `None` if it
    /// would not look.
    fn locate(&self, name: &SecretName) -> Option<Reference>;

    /// Refuses, at load, a reference that this provider could never serve.
    ///
    /// # Errors
    /// A sentence that says what to write instead, without the reference.
    fn validate(&self, reference: &Reference) -> Result<(), String>;

    /// Whether a value is there, as far as can be told without asking a server.
    fn presence(&self, reference: &Reference) -> Presence;

    /// Whether the chain may go on past a failure of this provider.
    fn on_error(&self) -> OnError {
        OnError::Stop
    }

    /// Fetches the value at `fetch.reference`.
    ///
    /// # Errors
    /// Everything but a clear *not found*, which is [`Lookup::Miss`].
    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>>;

    /// Ends what the provider holds at a server, such as its login. Called once, at shutdown.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// What the chain does when a provider fails (not when it has nothing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The call fails.
    #[default]
    Stop,
    /// The next provider is asked.
    Next,
}

/// What providers are built from, besides their settings. Building does no I/O.
#[derive(Clone, Copy)]
pub struct BuildContext<'a> {
    /// The folder of the configuration file: relative paths start here.
    pub config_dir: Option<&'a Path>,
    /// Variables that complete a configured provider (`VAULT_ADDR`, `AWS_REGION` …).
    pub environment: &'a dyn Environment,
    /// Secret variables, already moved into locked memory.
    pub taken: &'a Arc<TakenEnvironment>,
    /// Where a login's token is kept.
    pub pool: &'a Arc<Pool>,
}

/// The section `secrets.providers`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProvidersSettings {}

/// What a provider is asked.
#[derive(Clone, Copy)]
pub struct Fetch<'a> {
    /// Where to look.
    pub reference: &'a Reference,
    /// On whose behalf.
    pub asker: &'a CallIdentity,
    /// Where the value must be put.
    pub pool: &'a Pool,
}

/// What is known of a value without fetching it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is there: the variable is set, the file exists.
    Bound,
    /// It is not there.
    Absent,
    /// Only asking a server would tell.
    Unknown,
}

/// A provider's answer that lets the chain go on.
#[derive(Debug)]
pub enum Lookup {
    /// The value is here.
    Found(Found),
    /// The provider is sure that nothing is at the reference, and nothing was deleted there.
    Miss,
}

/// A value and what may be told about it.
pub struct Found {
    /// The value, already in locked memory. Shared, because an environment variable stays there.
    pub value: Arc<LockedBuffer>,
    /// The store's version of it.
    pub version: Option<String>,
    /// When that version was made.
    pub created_at: Option<SystemTime>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

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
}

impl ProviderError {
    /// An error with the operator's `detail`.
    #[must_use]
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
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

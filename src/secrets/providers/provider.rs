//! The trait that every secret provider stands behind, and what goes in and out of it.
//!
//! It stands apart from the registry so that a provider depends on this alone. A [`Lookup`] has
//! no third case on purpose: whatever is neither a value nor a clear miss is an error.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Instant, SystemTime},
};

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{
    super::{
        Reference, SecretName, SecretRecorder,
        memory::{LockedBuffer, Pool, TakenEnvironment},
    },
    Limits, ProviderError,
};
use crate::{call::CallIdentity, settings::Environment};

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

    /// Fetches the value at `fetch.reference`.
    ///
    /// # Errors
    /// Everything but a clear *not found*, which is [`Lookup::Miss`].
    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>>;

    /// What the chain does when this provider fails (not when it misses).
    fn on_error(&self) -> OnError {
        OnError::Stop
    }

    /// Fetches several values at once where the store's API allows it, else one after another. The
    /// answers stand in the order of `fetches`.
    fn fetch_many<'a>(
        &'a self,
        fetches: &'a [Fetch<'a>],
    ) -> BoxFuture<'a, Vec<Result<Lookup, ProviderError>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(fetches.len());
            for fetch in fetches {
                answers.push(self.fetch(*fetch).await);
            }
            answers
        })
    }

    /// What the provider holds for `fetch` without asking its store, such as the value of a lease.
    /// As a last resort, when the store fails, also what it would rather have replaced.
    fn at_hand<'a>(
        &'a self,
        _fetch: Fetch<'a>,
        _is_last_resort: bool,
    ) -> BoxFuture<'a, Option<Result<Lookup, ProviderError>>> {
        Box::pin(async { None })
    }

    /// Whether [`SecretProvider::fetch_many`] is more than one fetch after another.
    fn asks_together(&self) -> bool {
        false
    }

    /// How long a fetch may take, how often it is tried, and when the provider is left alone.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Whether its values were all taken at start, so that no call can ask for another.
    fn is_fixed_at_start(&self) -> bool {
        false
    }

    /// Lets go of what the provider itself keeps of the value at `reference`, such as a lease,
    /// because the value was refused where it was used. The next fetch asks the store.
    fn invalidate<'a>(&'a self, _reference: &'a Reference) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    /// Ends what the provider holds at a server, such as its login. Called once, at shutdown.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
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
    /// Whom a provider tells what it does on its own: logins, renewals, leases.
    pub recorder: &'a Arc<dyn SecretRecorder>,
}

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

/// The setting `on_error`: what the chain does when a provider fails. A miss always goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The call fails, and no other provider is asked: otherwise whoever can break this provider
    /// chooses where keys come from.
    #[default]
    Stop,
    /// The next provider is asked.
    Next,
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
    /// When it ends by itself: the end of its lease. `None`: it does not, as far as is known.
    pub expires_at: Option<Instant>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

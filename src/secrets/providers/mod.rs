//! Secret providers: the stores that keys are fetched from, one folder each, and the trait they
//! stand behind.
//!
//! A provider answers one question, "what is at this reference now?", and keeps nothing of the
//! answer. It never logs or returns what a store sent it as text: an error's words are its own.
//! To add one: a folder, its `mod` line below, and its line in `registry`.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "env")]
pub mod env;
#[cfg(feature = "exec")]
pub mod exec;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "vault")]
pub mod vault;

#[cfg(any(feature = "vault", feature = "aws"))]
mod endpoint;
mod error;
#[cfg(any(feature = "file", feature = "vault", feature = "aws", feature = "exec"))]
mod json_field;
mod limits;
mod provider;
mod registry;
#[cfg(any(feature = "file", feature = "vault"))]
mod secret_file;
#[cfg(any(feature = "file", feature = "vault", feature = "aws", feature = "exec"))]
mod template;
#[cfg(any(feature = "file", feature = "vault", feature = "aws", feature = "exec"))]
mod value;
mod well_known;

pub use crate::protection::BreakerSettings;
#[cfg(feature = "aws")]
pub use aws::bedrock;
pub use error::{ErrorKind, ProviderError};
pub use limits::Limits;
pub use provider::{BuildContext, Fetch, Found, Lookup, OnError, Presence, SecretProvider};
pub use registry::{LeftOut, Mentions, ProvidersSettings, build, built_in, env_names};
pub use well_known::{WELL_KNOWN, WellKnown, well_known_variable};

/// The longest value a secret may have, in bytes: the locked pool is small on purpose.
pub const MAX_VALUE_BYTES: usize = 16 * 1024;

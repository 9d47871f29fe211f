//! The broker: the rest of the program asks for a secret by name and gets it, just in time, for
//! one request.
//!
//! Nothing outside this folder knows where a secret lives, and nothing in it knows what a model,
//! a tool or a client is. A value exists only as [`Secret`], in locked memory that is wiped when
//! the last holder lets go; no function here returns one as a string.

mod access;
mod binding;
mod broker;
mod cache;
mod chain;
#[cfg(test)]
mod concurrency;
mod config;
mod document;
mod error;
mod event;
mod exchange;
mod form;
pub mod live;
pub mod memory;
mod metrics;
mod name;
mod principal;
mod protection;
pub mod providers;
mod reference;
mod secret;
mod single_flight;

pub use crate::protection::BreakerState;
pub use access::{Consumer, HostPattern, NotAllowed};
pub use binding::{Binding, Lent, Used};
pub use broker::{Broker, Checked, Explanation, KeyState, Listed, Place};
pub use cache::Refusal;
pub use chain::{Answered, Told};
pub use config::{NameSettings, SecretsSettings};
pub use error::SecretError;
pub use event::{NotRecorded, SecretEvent, SecretOutcome, SecretRecorder, Unrecorded, Upkeep};
pub use metrics::SecretMetrics;
pub use name::{InvalidName, SecretName};
pub use protection::{BreakerWatch, Protected};
pub use reference::{Field, InvalidReference, Reference};
pub use secret::Secret;

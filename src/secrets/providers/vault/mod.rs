//! The secret provider `vault`: HashiCorp Vault and OpenBao.
//!
//! Requests are vaultrs' endpoint types, run through our own HTTP client (`wire`), because the
//! stock one follows redirects, reads bodies without bound and puts them into errors. What an
//! answer means is decided in `answer` alone; what we are logged in as, in `session`; what Vault
//! lends us and takes back, in `leases`.

mod answer;
mod config;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod kv;
mod leases;
mod mounts;
mod place;
mod provider;
mod session;
mod wire;

pub use config::{AppRoleSettings, AuthSettings, VaultSettings};
pub use kv::{KvSettings, KvVersion};

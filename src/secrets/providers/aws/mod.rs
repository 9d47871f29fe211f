//! The secret provider `aws`: AWS Secrets Manager, through AWS's own SDK.
//!
//! The SDK signs, retries and finds credentials; what it may connect to is decided in `guard`,
//! what its errors mean in `failure`. None of its errors is ever printed: some quote responses.

mod client;
mod config;
mod credentials;
mod failure;
mod guard;
mod place;
mod provider;

pub(crate) use client::http_client;
pub use config::AwsSettings;
#[cfg(feature = "vault")]
pub(super) use credentials::TakenCredentials;

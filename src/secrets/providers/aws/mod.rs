//! The secret provider `aws`: AWS Secrets Manager, through AWS's own SDK.
//!
//! The SDK signs, and searches for credentials (`login`); they rest in our pool (`held`). What it
//! may connect to is decided in `guard`, what its errors mean in `failure` and `login_failure`.
//! None of its errors is ever printed: some quote responses.

mod answer;
mod batch;
pub mod bedrock;
mod client;
mod config;
mod credentials;
mod failure;
mod guard;
mod held;
mod http;
mod keys;
mod login;
mod login_failure;
mod place;
mod provider;
mod role;

pub use config::AwsSettings;
pub(crate) use http::http_client;
#[cfg(feature = "vault")]
pub(super) use login::Search;
pub use role::AssumeRoleSettings;

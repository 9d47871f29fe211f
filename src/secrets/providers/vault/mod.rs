//! The secret provider `vault`: HashiCorp Vault and OpenBao.
//!
//! Requests are vaultrs' endpoint types, run through our own HTTP client (`wire`), because the
//! stock one follows redirects, reads bodies without bound and puts them into errors. What an
//! answer means is decided in `answer` alone; how we log in, in `login`; what we are logged in as,
//! in `session`, and how long that lasts, in `life` and `renewal`; what Vault lends us and takes
//! back, in `leases`.

mod answer;
mod config;
// Compiled with the tests too, so that it does not fall behind.
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod kv;
mod leases;
mod life;
mod login;
mod mounts;
mod place;
mod provider;
mod renewal;
mod session;
mod tls;
mod validity;
mod wire;

pub use config::VaultSettings;
pub use kv::{KvSettings, KvVersion};
pub use login::{
    AppRoleSettings, AuthSettings, AwsIamSettings, CertSettings, JwtSettings, KubernetesSettings,
    TokenHelperSettings, UserpassSettings,
};

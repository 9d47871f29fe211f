//! How a secret provider and its store are protected from one another: the settings that providers
//! share, and what they amount to.
//!
//! Only numbers live here; what keeps to them stands around every provider, in `protection`.

use std::time::Duration;

use serde::Deserialize;

use crate::settings;

/// What one fetch from a provider may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long one fetch may take, login and retries included. `None`: the provider bounds itself.
    pub deadline: Option<Duration>,
    /// How often a transient failure is tried again.
    pub retries: u32,
    /// When the provider is left alone. `None`: never.
    pub breaker: Option<BreakerSettings>,
}

/// The setting `breaker`: after how many failures in a row a store is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Transient failures in a row, retries not counted apart.
    pub failures: u32,
    /// How long no fetch is tried. After that one fetch tries for all.
    #[serde(deserialize_with = "settings::duration")]
    pub open_for: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            open_for: Duration::from_secs(10),
        }
    }
}

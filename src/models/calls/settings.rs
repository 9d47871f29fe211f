//! How many calls of a provider may run, and wait, at once.

use serde::Deserialize;

/// The setting `limits` of a model provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Calls of the provider that run at once. Default: 1000.
    pub concurrent: usize,
    /// Calls of one of its models that run at once. Default: as many.
    pub concurrent_per_model: Option<usize>,
    /// Calls that may wait for their turn; one more is refused. Default: 1000.
    pub waiting: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            concurrent: 1000,
            concurrent_per_model: None,
            waiting: 1000,
        }
    }
}

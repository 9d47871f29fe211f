//! Settings of the memory that holds keys.

use serde::Deserialize;

/// The section `memory:`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemorySettings {
    /// Whether keys must be, or may be, locked into memory, so that they are never swapped out.
    pub lock: Lock,
}

/// The setting `memory.lock`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lock {
    /// Without locked memory the server does not start.
    Require,
    /// Locked where the system's limit allows it, else with a warning.
    #[default]
    Prefer,
    /// Not locked, without a warning: for machines without swap, or with encrypted swap.
    Off,
}

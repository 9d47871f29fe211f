//! Settings of the broker: the chain, the providers and the names bound to references.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::providers;


/// The section `secrets:`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsSettings {
    /// The providers in which a name without a binding is looked up, in order. Default: `[env]`.
    pub chain: Option<Vec<String>>,
    /// Settings of each provider.
    pub providers: providers::ProvidersSettings,
    /// Names bound to references.
    pub names: BTreeMap<String, NameSettings>,
}

/// One entry of `secrets.names`: exactly one of `ref` and `refs`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameSettings {
    /// The one place where the secret lives.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Several places, asked in order.
    #[serde(rename = "refs")]
    pub references: Option<Vec<String>>,
    /// How long a value may be kept. Only `0s` (not at all) in this version.
    pub ttl: Option<String>,
}

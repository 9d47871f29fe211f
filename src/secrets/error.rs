//! Why a secret could not be had, told twice: `Display` is for the client, `operator` for the log.
//!
//! The client learns which secret and which provider, and what sort of failure; addresses, paths
//! and settings stay with the operator. Neither holds a value.

use super::{
    Reference, SecretName,
    providers::{ErrorKind, ProviderError},
};

/// A failed resolution. `Display` is safe for a client.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretError {
    /// Nobody said where the secret lives.
    #[error(
        "no place is configured for the secret `{name}`; the operator must bind it under \
         `secrets.names` or add a provider to `secrets.chain`"
    )]
    NoReference {
        /// The secret.
        name: SecretName,
    },
    /// Every place was asked, and none has it.
    #[error("the secret `{name}` was not found in: {}", providers(asked))]
    NotFound {
        /// The secret.
        name: SecretName,
        /// The places asked, in order.
        asked: Vec<Reference>,
    },
    /// A provider could not answer, so the chain stopped.
    #[error("the secret `{name}` is unavailable: secret provider `{provider}`: {}", error.kind)]
    Provider {
        /// The secret.
        name: SecretName,
        /// The provider that failed.
        provider: String,
        /// How.
        error: ProviderError,
    },
}

impl SecretError {
    /// What happened and what to do, for the operator's eyes.
    #[must_use]
    pub fn operator(&self) -> String {
        match self {
            Self::Provider {
                name,
                provider,
                error,
            } => {
                format!("secret `{name}`, provider `{provider}`: {error}")
            }
            Self::NotFound { name, asked } => {
                let places: Vec<String> = asked.iter().map(ToString::to_string).collect();
                let hint = match asked.iter().find(|place| has_data_segment(place)) {
                    Some(_) => "; leave `data/` out, it is added for KV version 2",
                    None => "",
                };
                format!(
                    "nothing is at {}, where `{name}` is looked for{hint}",
                    places.join(", ")
                )
            }
            Self::NoReference { .. } => self.to_string(),
        }
    }

    /// The sort of failure, where a provider failed.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Provider { error, .. } => Some(error.kind),
            _ => None,
        }
    }
}

/// What a client may know of places: the providers.
fn providers(asked: &[Reference]) -> String {
    let names: Vec<&str> = asked.iter().map(Reference::provider).collect();
    names.join(", ")
}

/// Whether a Vault reference is written like the path of Vault's API, the likeliest reason for
/// nothing being there.
fn has_data_segment(place: &Reference) -> bool {
    let mut segments = place.path().split('/');
    place.provider() == "vault" && segments.nth(1) == Some("data")
}

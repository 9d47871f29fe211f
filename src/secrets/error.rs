//! Why a secret could not be had, told twice: `Display` is for the client, `operator` for the log.
//!
//! The client learns which secret, and whether it is missing, unavailable or not for this call; why
//! stays with the operator, who finds it by the request id. Neither holds a value.

use super::{
    NotAllowed, Reference, SecretName,
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
    #[error("the secret `{name}` is unavailable: it was not found")]
    NotFound {
        /// The secret.
        name: SecretName,
        /// The places asked, in order.
        asked: Vec<Reference>,
    },
    /// A provider could not answer, so the chain stopped.
    #[error("the secret `{name}` is unavailable")]
    Provider {
        /// The secret.
        name: SecretName,
        /// The provider that failed.
        provider: String,
        /// How.
        error: ProviderError,
    },
    /// This call may not use it.
    #[error("the secret `{name}` may not be used for this call")]
    NotAllowed {
        /// The secret.
        name: SecretName,
        /// Which restriction refused.
        why: NotAllowed,
    },
    /// The reference has a place for the principal, and this one cannot stand there.
    #[error("the secret `{name}` may not be used for this call")]
    PrincipalUnfit {
        /// The secret.
        name: SecretName,
    },
    /// Its use could not be recorded, so it was not handed out.
    #[error("the secret `{name}` is unavailable")]
    NotRecorded {
        /// The secret.
        name: SecretName,
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
            Self::NotAllowed { name, why } => format!("secret `{name}`: {why}"),
            Self::PrincipalUnfit { name } => format!(
                "secret `{name}` lives at a place of each principal's own, and this principal's \
                 name cannot stand in a path (letters, digits and `.`, `_`, `@`, `-`)"
            ),
            Self::NotRecorded { name } => {
                format!("secret `{name}`: its use could not be recorded")
            }
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

/// Whether a Vault reference is written like the path of Vault's API, the likeliest reason for
/// nothing being there.
fn has_data_segment(place: &Reference) -> bool {
    let mut segments = place.path().split('/');
    place.provider() == "vault" && segments.nth(1) == Some("data")
}

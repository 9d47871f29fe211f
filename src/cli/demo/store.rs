//! Where the demo keeps its key: puts it there, tells the server where to find it, removes it.

use std::process::Command;

use zeroize::Zeroizing;

use super::DemoError;
use crate::cli::args::{Demo, DemoSecrets};

/// A place for the demo's key.
pub(super) enum Store {
    /// The server's own environment.
    Env,
    /// A Vault-compatible server.
    #[cfg(feature = "vault")]
    Vault(super::vault::VaultStore),
    /// AWS Secrets Manager.
    #[cfg(feature = "aws")]
    Aws(super::aws::AwsStore),
}

impl Store {
    /// The place that the command line chooses. Contacts nothing yet.
    pub(super) fn open(options: &Demo) -> Result<Self, DemoError> {
        match options.secrets {
            DemoSecrets::Env => Ok(Self::Env),
            #[cfg(feature = "vault")]
            DemoSecrets::Vault => super::vault::VaultStore::open(options).map(Self::Vault),
            #[cfg(feature = "aws")]
            DemoSecrets::Aws => super::aws::AwsStore::open(options).map(Self::Aws),
            #[cfg(not(all(feature = "vault", feature = "aws")))]
            _ => Err(DemoError::Setup(
                "this build leaves that secret provider out".to_owned(),
            )),
        }
    }

    /// Puts the key there.
    pub(super) async fn put(&self, key: &Zeroizing<String>) -> Result<(), DemoError> {
        match self {
            // It goes into the server's environment when that is made.
            Self::Env => {
                let _ = key;
                Ok(())
            }
            #[cfg(feature = "vault")]
            Self::Vault(store) => store.put(key).await,
            #[cfg(feature = "aws")]
            Self::Aws(store) => store.put(key).await,
        }
    }

    /// Takes it away again.
    pub(super) async fn remove(&self) -> Result<(), DemoError> {
        match self {
            Self::Env => Ok(()),
            #[cfg(feature = "vault")]
            Self::Vault(store) => store.remove().await,
            #[cfg(feature = "aws")]
            Self::Aws(store) => store.remove().await,
        }
    }

    /// The server's configuration.
    pub(super) fn config(&self, base_url: &str, model: &str) -> String {
        let secrets = match self {
            Self::Env => "secrets: { chain: [env] }\n".to_owned(),
            #[cfg(feature = "vault")]
            Self::Vault(store) => store.config(),
            #[cfg(feature = "aws")]
            Self::Aws(store) => store.config(),
        };
        format!(
            "{secrets}models:\n  providers:\n    demo: {{ protocol: openai, base_url: \
             \"{base_url}\", secret: openai, models: [{model}] }}\n"
        )
    }

    /// Gives the server the variables it needs for this place.
    pub(super) fn lend(&self, command: &mut Command, key: &Zeroizing<String>) {
        match self {
            Self::Env => {
                command.env("OPENAI_API_KEY", key.as_str());
            }
            #[cfg(any(feature = "vault", feature = "aws"))]
            _ => {
                command.env_remove("OPENAI_API_KEY");
            }
        }
    }

    /// The place in words.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Env => "the server's environment variable OPENAI_API_KEY".to_owned(),
            #[cfg(feature = "vault")]
            Self::Vault(store) => store.place(),
            #[cfg(feature = "aws")]
            Self::Aws(store) => store.place(),
        }
    }

    /// How many copies stay in the pool when no call runs.
    pub(super) fn rest(&self) -> usize {
        match self {
            Self::Env => 1,
            #[cfg(any(feature = "vault", feature = "aws"))]
            _ => 0,
        }
    }

    /// What the reader should know about the numbers.
    pub(super) fn note(&self) -> Option<&'static str> {
        match self {
            Self::Env => Some(
                "A key from the environment stays, as one copy, in the locked pool; it was \
                 overwritten in the environment itself.\nWith --secrets vault or --secrets aws \
                 nothing stays.",
            ),
            #[cfg(any(feature = "vault", feature = "aws"))]
            _ => None,
        }
    }
}

//! Tokens that somebody else made: in a variable, a file, or where Vault's own command line leaves
//! one. They are read anew for each fetch and each renewal, so that none from a
//! file rests in memory in between, and are never revoked.

use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;

use super::{
    Desk, Preparing,
    desk::{MAX_TOKEN_BYTES, absent},
};
use crate::secrets::{
    memory::{LockedBuffer, TakenEnvironment},
    providers::{ErrorKind, ProviderError},
};

/// Where a token may be, in the order in which they are asked.
const VARIABLES: [&str; 2] = ["BAO_TOKEN", "VAULT_TOKEN"];

/// What `vault login` and `bao login` write, below the home folder.
/// <https://developer.hashicorp.com/vault/docs/commands/token-helper>
const HELPER_FILE: &str = ".vault-token";

/// The section `auth.token_helper`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenHelperSettings {
    /// The file. Default: `BAO_TOKEN_PATH` or `VAULT_TOKEN_PATH`, else `~/.vault-token`.
    pub path: Option<PathBuf>,
}

impl TokenHelperSettings {
    pub(super) fn prepare(&self, to: &mut Preparing<'_>) -> Option<Supplied> {
        let written = self.path.as_ref().map(|path| to.place(path));
        let path = written
            .or_else(|| to.standard("TOKEN_PATH").map(PathBuf::from))
            .or_else(|| {
                let home = to
                    .cx
                    .environment
                    .var("HOME")
                    .filter(|home| !home.is_empty());
                home.map(|home| PathBuf::from(home).join(HELPER_FILE))
            });
        if path.is_none() {
            to.refuse(
                &["token_helper"],
                "where the token is, is not said: HOME is not set",
                "write `path:` below it",
            );
        }
        path.map(Supplied::Helper)
    }
}

/// Where a token is.
pub(in super::super) enum Supplied {
    Environment(Arc<TakenEnvironment>),
    File(PathBuf),
    Helper(PathBuf),
}

impl Supplied {
    pub(super) fn environment(to: &Preparing<'_>) -> Self {
        Self::Environment(Arc::clone(to.cx.taken))
    }

    pub(super) fn source(&self) -> String {
        match self {
            Self::Environment(_) => "in BAO_TOKEN or VAULT_TOKEN".to_owned(),
            Self::File(path) | Self::Helper(path) => format!("in {}", path.display()),
        }
    }

    /// The token as it is now.
    pub(in super::super) async fn token(
        &self,
        desk: &Desk<'_>,
    ) -> Result<Arc<LockedBuffer>, ProviderError> {
        let text = match self {
            Self::Environment(taken) => {
                let token = VARIABLES.iter().find_map(|name| taken.get(name));
                return token.ok_or_else(|| {
                    ProviderError::new(
                        ErrorKind::LoginFailed,
                        "`secrets.providers.vault.auth` is not set, and neither BAO_TOKEN nor \
                         VAULT_TOKEN held a token at start",
                    )
                });
            }
            Self::File(path) => {
                let text = desk
                    .read_if_there(path, "the token", MAX_TOKEN_BYTES)
                    .await?;
                text.ok_or_else(|| absent(path, "token_file"))?
            }
            Self::Helper(path) => {
                let text = desk
                    .read_if_there(path, "the token", MAX_TOKEN_BYTES)
                    .await?;
                text.ok_or_else(|| {
                    ProviderError::new(
                        ErrorKind::LoginFailed,
                        format!(
                            "the token helper's file {} does not exist; run `vault login`, or \
                             `bao login`, as this user",
                            path.display()
                        ),
                    )
                })?
            }
        };
        let stored = desk.pool.store(text.as_bytes()).await;
        stored
            .map(Arc::new)
            .map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))
    }
}

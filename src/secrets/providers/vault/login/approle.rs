//! AppRole: a role's id, and a secret id that is in a file, wrapped in a file, or not asked for.
//! <https://developer.hashicorp.com/vault/api-docs/auth/approle#login-with-approle>

use std::path::PathBuf;

use serde::Deserialize;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use zeroize::Zeroizing;

use super::{super::wire::Answer, Desk, Preparing, wrapped::Wrapped};
use crate::secrets::providers::ProviderError;

pub(super) const NAME: &str = "approle";

/// The section `auth.approle`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRoleSettings {
    /// The role's id, which is not secret.
    pub role_id: String,
    /// A file with the secret id, read again for each login. Without this and the next, none is
    /// sent: for a role with `bind_secret_id=false`.
    pub secret_id_file: Option<PathBuf>,
    /// A file with a response-wrapping token, from which the secret id is unwrapped once.
    pub wrapped_secret_id_file: Option<PathBuf>,
    /// Where the auth method is mounted.
    #[serde(default = "mount")]
    pub mount: String,
}

fn mount() -> String {
    NAME.to_owned()
}

impl AppRoleSettings {
    pub(super) fn prepare(&self, to: &mut Preparing<'_>) -> Option<AppRole> {
        let mount = to.mount(NAME, &self.mount)?;
        let secret_id = match (&self.secret_id_file, &self.wrapped_secret_id_file) {
            (Some(_), Some(_)) => {
                to.refuse(
                    &[NAME, "wrapped_secret_id_file"],
                    "the secret id comes from one file, and two are named",
                    "remove this or `secret_id_file`",
                );
                return None;
            }
            (Some(path), None) => SecretId::File(to.place(path)),
            (None, Some(path)) => SecretId::Wrapped(Wrapped::new(to.place(path))),
            (None, None) => SecretId::NotAsked,
        };
        Some(AppRole {
            mount,
            role_id: self.role_id.clone(),
            secret_id,
        })
    }
}

/// The login.
pub(in super::super) struct AppRole {
    mount: String,
    role_id: String,
    secret_id: SecretId,
}

/// Where the secret id comes from.
enum SecretId {
    File(PathBuf),
    Wrapped(Wrapped),
    /// The role has `bind_secret_id=false`.
    NotAsked,
}

impl AppRole {
    pub(super) fn mount(&self) -> &str {
        &self.mount
    }

    /// The one place where a secret id is a plain `String`: vaultrs' request wants it so. It lives
    /// as long as the request.
    pub(super) async fn log_in(&self, desk: &Desk<'_>) -> Result<Answer, ProviderError> {
        let attempt = desk.attempt(NAME, &self.mount);
        let mut secret_id = match &self.secret_id {
            SecretId::File(path) => {
                let setting = "approle.secret_id_file";
                desk.read(path, setting, "the secret id").await?
            }
            SecretId::Wrapped(wrapped) => wrapped.secret_id(desk, &attempt, &self.mount).await?,
            SecretId::NotAsked => Zeroizing::default(),
        };
        let request = LoginWithApproleRequest {
            mount: self.mount.clone(),
            role_id: self.role_id.clone(),
            secret_id: std::mem::take(&mut *secret_id),
        };
        let answer = attempt.ask(request, None).await?;
        attempt.judge(answer, |said| {
            // Vault answers alike for a wrong role id and a wrong secret id.
            let concerns = [
                "role or secret ID",
                "role_id",
                "role ID",
                "secret_id",
                "secret id",
            ];
            concerns.iter().any(|words| said.has(words)).then(|| match &self.secret_id {
                SecretId::File(path) => format!(
                    "refused; `auth.approle.role_id` is wrong, or the secret id in {} is wrong, \
                     expired or used up",
                    path.display()
                ),
                SecretId::Wrapped(wrapped) => format!(
                    "refused; `auth.approle.role_id` is wrong, or the secret id that was unwrapped \
                     with the token in {} has expired or is used up: write a new wrapping token \
                     there",
                    wrapped.path().display()
                ),
                SecretId::NotAsked => "refused; `auth.approle.role_id` is wrong, or the role asks \
                                       for a secret id: set `auth.approle.secret_id_file`"
                    .to_owned(),
            })
        })
    }
}

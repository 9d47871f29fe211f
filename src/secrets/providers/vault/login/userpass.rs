//! Userpass: a user name and a password from a file.
//! <https://developer.hashicorp.com/vault/api-docs/auth/userpass#login>

use std::path::PathBuf;

use serde::Deserialize;
use vaultrs::api::auth::userpass::requests::LoginRequest;

use super::{super::wire::Answer, Desk, Preparing};
use crate::secrets::providers::ProviderError;

pub(super) const NAME: &str = "userpass";

/// The section `auth.userpass`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserpassSettings {
    /// The user's name.
    pub username: String,
    /// A file with the password, read again for each login.
    pub password_file: PathBuf,
    /// Where the auth method is mounted.
    #[serde(default = "mount")]
    pub mount: String,
}

fn mount() -> String {
    NAME.to_owned()
}

impl UserpassSettings {
    pub(super) fn prepare(&self, to: &mut Preparing<'_>) -> Option<Userpass> {
        let mount = to.mount(NAME, &self.mount);
        // It becomes a part of the path.
        let username = to.name(NAME, "username", &self.username)?;
        Some(Userpass {
            mount: mount?,
            username,
            password_file: to.place(&self.password_file),
        })
    }
}

/// The login.
pub(in super::super) struct Userpass {
    mount: String,
    username: String,
    password_file: PathBuf,
}

impl Userpass {
    pub(super) fn mount(&self) -> &str {
        &self.mount
    }

    /// The one place where a password is a plain `String`: vaultrs' request wants it so. It lives
    /// as long as the request.
    pub(super) async fn log_in(&self, desk: &Desk<'_>) -> Result<Answer, ProviderError> {
        let attempt = desk.attempt(NAME, &self.mount);
        let setting = "userpass.password_file";
        let mut password = desk
            .read(&self.password_file, setting, "the password")
            .await?;
        let request = LoginRequest {
            mount: self.mount.clone(),
            username: self.username.clone(),
            password: std::mem::take(&mut *password),
        };
        let answer = attempt.ask(request, None).await?;
        attempt.judge(answer, |said| {
            said.has("invalid username or password").then(|| {
                format!(
                    "refused; the password in {} is wrong, or `auth.userpass.username` is (or the \
                     user is locked out)",
                    self.password_file.display()
                )
            })
        })
    }
}

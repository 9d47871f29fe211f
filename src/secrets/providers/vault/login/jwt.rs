//! JWT: a token that a platform writes to a file and renews there (GitLab, GitHub, SPIFFE, a
//! projected service account), taken by Vault's method `jwt`.
//! <https://developer.hashicorp.com/vault/api-docs/auth/jwt#jwt-login>
//!
//! Only the role type `jwt`: the type `oidc` of the same method needs a person with a browser.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::Deserialize;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;
use zeroize::Zeroizing;

use super::{
    super::wire::Answer,
    Desk, Preparing,
    claims::{Claims, claims},
    desk::Said,
};
use crate::secrets::providers::ProviderError;

pub(super) const NAME: &str = "jwt";

/// The section `auth.jwt`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSettings {
    /// The role to log in as. Default: the method's own default role.
    pub role: Option<String>,
    /// A file with the token, read again for each login because it rotates.
    pub token_file: PathBuf,
    /// For whom the token must be: one that is for somebody else is not sent.
    pub audience: Option<String>,
    /// Where the auth method is mounted.
    #[serde(default = "mount")]
    pub mount: String,
}

fn mount() -> String {
    NAME.to_owned()
}

impl JwtSettings {
    pub(super) fn prepare(&self, to: &mut Preparing<'_>) -> Option<Jwt> {
        let mount = to.mount(NAME, &self.mount);
        if self.audience.as_deref() == Some("") {
            to.refuse(
                &[NAME, "audience"],
                "no token is for nobody",
                "write the audience that the role is bound to, or leave it out",
            );
            return None;
        }
        Some(Jwt {
            mount: mount?,
            role: self.role.clone(),
            token_file: to.place(&self.token_file),
            audience: self.audience.clone(),
        })
    }
}

/// The login.
pub(in super::super) struct Jwt {
    mount: String,
    role: Option<String>,
    token_file: PathBuf,
    audience: Option<String>,
}

impl Jwt {
    pub(super) fn mount(&self) -> &str {
        &self.mount
    }

    /// The one place where the token is a plain `String`: vaultrs' request wants it so. It lives as
    /// long as the request.
    pub(super) async fn log_in(&self, desk: &Desk<'_>) -> Result<Answer, ProviderError> {
        let attempt = desk.attempt(NAME, &self.mount);
        let mut token: Zeroizing<String> = desk
            .read(&self.token_file, "jwt.token_file", "the JWT")
            .await?;
        let file = self.token_file.display();
        let claims = claims(&token).ok_or_else(|| {
            attempt.failed(format!(
                "{file} holds no JWT (three parts with dots between them); it was not sent"
            ))
        })?;
        if let Some(audience) = &self.audience
            && !claims.is_for(audience)
        {
            return Err(attempt.failed(format!(
                "the JWT in {file} is not for the audience `{audience}`, so it was not sent; have \
                 it issued for that, or correct `auth.jwt.audience`"
            )));
        }
        let request = JWTLoginRequest {
            mount: self.mount.clone(),
            jwt: std::mem::take(&mut *token),
            role: self.role.clone(),
        };
        let answer = attempt.ask(request, None).await?;
        attempt.judge(answer, |said| {
            let role = "`auth.jwt.role`";
            if said.has("could not be found") {
                return Some(format!("there is no such role at this mount; see {role}"));
            }
            if said.has("missing role") {
                return Some(format!("the method has no default role; set {role}"));
            }
            if said.has("audience") {
                return Some(format!(
                    "the JWT in {file} is for another audience than the role's \
                     `bound_audiences`; set `auth.jwt.audience` to see it before it is sent"
                ));
            }
            if said.has("signature") || said.has("issuer") {
                return Some(format!(
                    "the JWT in {file} is not signed or issued by whom the method at this mount \
                     trusts"
                ));
            }
            if said.has("subject") || said.has("validating claims") {
                return Some(format!(
                    "the JWT in {file} does not meet the role's bound claims or subject; see {role}"
                ));
            }
            about_time(said, &claims, &self.token_file)
        })
    }
}

/// What a refusal says of a token's times, if it is about them.
pub(super) fn about_time(said: &Said, claims: &Claims, file: &Path) -> Option<String> {
    let (now, file) = (SystemTime::now(), file.display());
    if said.has("expired") {
        return Some(if claims.has_expired(now) {
            format!("the JWT in {file} has expired; whatever writes the file must renew it")
        } else {
            format!(
                "the JWT in {file} has expired by Vault's clock but not by this machine's; set \
                 the clocks"
            )
        });
    }
    if said.has("not yet valid") || said.has("in the future") {
        return Some(if claims.has_begun(now) {
            format!(
                "the JWT in {file} is not valid yet by Vault's clock; the clocks of its issuer, \
                 of Vault and of this machine disagree"
            )
        } else {
            format!(
                "the JWT in {file} is not valid yet, by this machine's clock too; the clock of \
                 its issuer is ahead"
            )
        });
    }
    None
}

//! The setting `auth`: which login.

use std::path::PathBuf;

use serde::Deserialize;

use super::{
    AppRoleSettings, AwsIamSettings, CertSettings, JwtSettings, KubernetesSettings, Login, Method,
    Preparing, TokenHelperSettings, UserpassSettings, supplied::Supplied,
};

/// How to log in: exactly one of these, written as a map of one key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthSettings {
    /// A file with a token, read again for each fetch so that it may rotate.
    TokenFile(PathBuf),
    /// The file in which `vault login` and `bao login` leave a token.
    TokenHelper(TokenHelperSettings),
    /// AppRole.
    Approle(AppRoleSettings),
    /// A Kubernetes service account.
    Kubernetes(KubernetesSettings),
    /// A JWT from a file, such as a workload identity's.
    Jwt(JwtSettings),
    /// A TLS client certificate.
    Cert(CertSettings),
    /// A user name and a password.
    Userpass(UserpassSettings),
    /// An AWS IAM identity.
    Aws(AwsIamSettings),
}

impl AuthSettings {
    /// The login that is described; `None` if a problem was told. Absent settings mean the token in
    /// the environment.
    pub(in super::super) fn prepare(auth: Option<&Self>, to: &mut Preparing<'_>) -> Option<Login> {
        let method = match auth {
            None => return Some(Login::Supplied(Supplied::environment(to))),
            Some(Self::TokenFile(path)) => {
                return Some(Login::Supplied(Supplied::File(to.place(path))));
            }
            Some(Self::TokenHelper(settings)) => {
                return settings.prepare(to).map(Login::Supplied);
            }
            Some(Self::Approle(settings)) => settings.prepare(to).map(Method::AppRole),
            Some(Self::Kubernetes(settings)) => settings.prepare(to).map(Method::Kubernetes),
            Some(Self::Jwt(settings)) => settings.prepare(to).map(Method::Jwt),
            Some(Self::Cert(settings)) => settings.prepare(to).map(Method::Cert),
            Some(Self::Userpass(settings)) => settings.prepare(to).map(Method::Userpass),
            Some(Self::Aws(settings)) => settings.prepare(to),
        };
        method.map(Login::Made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(auth: &str) -> Result<AuthSettings, serde_json::Error> {
        serde_json::from_str(auth)
    }

    #[test]
    fn one_way_to_log_in_is_written_as_a_map_of_one_key() {
        assert!(matches!(
            parse(r#"{"token_file": "t"}"#),
            Ok(AuthSettings::TokenFile(_))
        ));
        for whole in [
            r#"{"token_helper": {}}"#,
            r#"{"approle": {"role_id": "r", "secret_id_file": "s"}}"#,
            r#"{"approle": {"role_id": "r", "wrapped_secret_id_file": "s"}}"#,
            r#"{"kubernetes": {"role": "r"}}"#,
            r#"{"jwt": {"role": "r", "token_file": "t", "audience": "vault"}}"#,
            r#"{"cert": {}}"#,
            r#"{"userpass": {"username": "u", "password_file": "p"}}"#,
            r#"{"aws": {"role": "r"}}"#,
        ] {
            assert!(parse(whole).is_ok(), "{whole}");
        }
    }

    #[test]
    fn no_setting_takes_a_proof_itself() {
        for wrong in [
            r#"{"token": "t"}"#,
            r#"{"approle": {"role_id": "r", "secret_id": "s"}}"#,
            r#"{"userpass": {"username": "u", "password": "p"}}"#,
            r#"{"jwt": {"role": "r", "jwt": "t"}}"#,
            r#"{"aws": {"role": "r", "secret_access_key": "k"}}"#,
            r#"{"token_file": "t", "cert": {}}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

//! AWS credentials from variables that start-up took out of the environment.
//!
//! The SDK looks for them in the environment and would find them gone. It asks this provider
//! first; its own identity cache is off while it does, so that it holds a copy for one request and
//! not for the life of the process.

use std::{fmt, sync::Arc};

use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use zeroize::Zeroizing;

use crate::secrets::memory::TakenEnvironment;

/// The variables that hold secrets; `AWS_ACCESS_KEY_ID` is a name.
const SECRET_VARIABLES: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Credentials as the environment had them at start.
#[derive(Clone)]
pub(in crate::secrets::providers) struct TakenCredentials {
    pub(in crate::secrets::providers) access_key_id: Option<String>,
    pub(in crate::secrets::providers) taken: Arc<TakenEnvironment>,
}

impl TakenCredentials {
    /// Whether the environment held credentials at all.
    pub(in crate::secrets::providers) fn are_set(&self) -> bool {
        self.access_key_id.is_some() && self.taken.get(SECRET_VARIABLES[0]).is_some()
    }

    fn credentials(&self) -> provider::Result {
        let not_set = || CredentialsError::not_loaded("not set when Keyward started");
        let text = |name: &str| -> Option<Result<Zeroizing<String>, CredentialsError>> {
            let value = self.taken.get(name)?;
            // Our own error in place of the UTF-8 one, which holds the bytes.
            let text = std::str::from_utf8(value.as_slice()).map(str::to_owned);
            Some(
                text.map(Zeroizing::new)
                    .map_err(|_| CredentialsError::not_loaded("not text")),
            )
        };
        let key_id = self.access_key_id.clone().ok_or_else(not_set)?;
        let secret = text(SECRET_VARIABLES[0]).ok_or_else(not_set)??;
        let token = text(SECRET_VARIABLES[1]).transpose()?;
        // `Credentials` wipes the secret and keeps the session token as a plain string.
        Ok(Credentials::new(
            key_id,
            secret.as_str(),
            token.map(|token| token.as_str().to_owned()),
            None,
            "environment at start",
        ))
    }
}

impl fmt::Debug for TakenCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakenCredentials").finish_non_exhaustive()
    }
}

impl ProvideCredentials for TakenCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.credentials())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::memory::Pool;

    fn taken(key_id: Option<&str>, variables: &[(&str, Option<&str>)]) -> TakenCredentials {
        TakenCredentials {
            access_key_id: key_id.map(str::to_owned),
            taken: Arc::new(TakenEnvironment::from_values(
                &Pool::reserve(),
                variables.iter().copied(),
            )),
        }
    }

    #[test]
    fn taken_variables_become_credentials_and_none_leave_the_rest_of_the_chain_its_turn() {
        let both = [
            ("AWS_SECRET_ACCESS_KEY", Some("canary")),
            ("AWS_SESSION_TOKEN", Some("canary-2")),
        ];
        let full = taken(Some("id"), &both);
        let credentials = full.credentials().unwrap();
        assert_eq!(credentials.secret_access_key(), "canary");
        assert_eq!(credentials.session_token(), Some("canary-2"));
        assert!(full.are_set());
        assert!(!format!("{full:?}{credentials:?}").contains("canary"));

        for partial in [taken(None, &both), taken(Some("id"), &[])] {
            assert!(!partial.are_set());
            assert!(matches!(
                partial.credentials(),
                Err(CredentialsError::CredentialsNotLoaded(_))
            ));
        }
    }
}

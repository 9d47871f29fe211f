//! AWS credentials from variables that start-up took out of the environment.
//!
//! The SDK looks for them in the environment and would find them gone. They are asked first, as the
//! SDK would do; a request takes a copy that ends with it.

use std::{fmt, sync::Arc};

use aws_credential_types::Credentials;

use crate::secrets::{
    memory::TakenEnvironment,
    providers::{BuildContext, ErrorKind, ProviderError},
};

/// The variables that hold secrets; `AWS_ACCESS_KEY_ID` is a name.
const SECRET_VARIABLES: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Credentials as the environment had them at start.
#[derive(Clone)]
pub(super) struct TakenCredentials {
    pub(super) access_key_id: Option<String>,
    pub(super) taken: Arc<TakenEnvironment>,
}

impl TakenCredentials {
    /// What start-up took.
    pub(super) fn of(cx: BuildContext<'_>) -> Self {
        let key_id = cx.environment.var("AWS_ACCESS_KEY_ID");
        Self {
            access_key_id: key_id.filter(|text| !text.is_empty()),
            taken: Arc::clone(cx.taken),
        }
    }

    /// Whether the environment held credentials at all.
    pub(super) fn are_set(&self) -> bool {
        self.access_key_id.is_some() && self.taken.get(SECRET_VARIABLES[0]).is_some()
    }

    /// A copy for one request; `None` if the environment held none.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, ProviderError> {
        let text = |name: &str| -> Result<Option<String>, ProviderError> {
            let Some(value) = self.taken.get(name) else {
                return Ok(None);
            };
            // The UTF-8 error goes unseen, as it holds the bytes.
            let text = std::str::from_utf8(value.as_slice()).map_err(|_| {
                ProviderError::new(ErrorKind::LoginFailed, format!("{name} is not text"))
            })?;
            Ok(Some(text.to_owned()))
        };
        let Some(key_id) = &self.access_key_id else {
            return Ok(None);
        };
        // Moved into `Credentials`, which wipes both.
        let Some(secret) = text(SECRET_VARIABLES[0])? else {
            return Ok(None);
        };
        let token = text(SECRET_VARIABLES[1])?;
        let source = "environment at start";
        Ok(Some(Credentials::new(
            key_id.clone(),
            secret,
            token,
            None,
            source,
        )))
    }
}

impl fmt::Debug for TakenCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakenCredentials").finish_non_exhaustive()
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
        let credentials = full.credentials().unwrap().unwrap();
        assert_eq!(credentials.secret_access_key(), "canary");
        assert_eq!(credentials.session_token(), Some("canary-2"));
        assert!(full.are_set());
        assert!(!format!("{full:?}{credentials:?}").contains("canary"));

        for partial in [taken(None, &both), taken(Some("id"), &[])] {
            assert!(!partial.are_set());
            assert!(partial.credentials().unwrap().is_none());
        }
    }
}

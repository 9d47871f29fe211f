//! The provider itself: where a name's variable is, and what was found in it at start.
//!
//! It never reads the process's environment: `secrets::memory` took the variables out of it before
//! any thread existed, and what a later reload names cannot be had without a restart.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::BoxFuture;

use super::config::is_variable;
use crate::secrets::{
    Reference, SecretName,
    memory::{LockedBuffer, TakenEnvironment},
    providers::{
        ErrorKind, Fetch, Found, Lookup, OnError, Presence, ProviderError, SecretProvider,
    },
};

/// Keys in variables of the environment.
pub(super) struct EnvProvider {
    variables: BTreeMap<String, String>,
    on_error: OnError,
    taken: Arc<TakenEnvironment>,
}

impl EnvProvider {
    pub(super) fn new(
        variables: BTreeMap<String, String>,
        on_error: OnError,
        taken: Arc<TakenEnvironment>,
    ) -> Self {
        Self {
            variables,
            on_error,
            taken,
        }
    }

    fn variable(&self, name: &str) -> Variable {
        match self.taken.get(name) {
            Some(value) => Variable::Value(value),
            None if self.taken.was_asked(name) => Variable::Unset,
            None => Variable::NotAsked,
        }
    }
}

impl SecretProvider for EnvProvider {
    fn name(&self) -> &'static str {
        "env"
    }

    fn locate(&self, name: &SecretName) -> Option<Reference> {
        format!("env:{}", self.variables.get(name.as_str())?)
            .parse()
            .ok()
    }

    fn validate(&self, reference: &Reference) -> Result<(), String> {
        if !is_variable(reference.path()) {
            Err("after `env:` stands the name of a variable, as in `env:OPENAI_API_KEY`".into())
        } else if reference.option_names().next().is_some() || reference.field().is_some() {
            Err("an `env:` reference has no `?options` and no `#field`".into())
        } else {
            Ok(())
        }
    }

    fn presence(&self, reference: &Reference) -> Presence {
        match self.variable(reference.path()) {
            Variable::Value(_) => Presence::Bound,
            _ => Presence::Absent,
        }
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        let name = fetch.reference.path();
        Box::pin(async move { answer(name, self.variable(name)) })
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }
}

/// What start-up found in a variable.
enum Variable {
    Value(Arc<LockedBuffer>),
    Unset,
    /// The configuration that names it was loaded after start.
    NotAsked,
}

fn answer(name: &str, variable: Variable) -> Result<Lookup, ProviderError> {
    match variable {
        Variable::Value(value) => Ok(Lookup::Found(Found {
            value,
            version: None,
            created_at: None,
        })),
        Variable::Unset => Ok(Lookup::Miss),
        Variable::NotAsked => Err(ProviderError::new(
            ErrorKind::Misconfigured,
            format!(
                "the variable {name} was not taken from the environment at start, because the \
                 configuration did not name it then; restart Keyward"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() -> EnvProvider {
        let variables = BTreeMap::from([("team/key".to_owned(), "TEAM_KEY".to_owned())]);
        EnvProvider::new(variables, OnError::Stop, Arc::default())
    }

    #[test]
    fn a_name_is_located_by_its_variable_and_an_unknown_one_nowhere() {
        let located = provider().locate(&"team/key".parse().unwrap()).unwrap();
        assert_eq!(located.to_string(), "env:TEAM_KEY");
        assert!(provider().locate(&"other".parse().unwrap()).is_none());
    }

    #[test]
    fn a_reference_that_no_variable_can_have_is_refused() {
        for (text, good) in [
            ("env:OPENAI_API_KEY", true),
            ("env:MY-KEY", false),
            ("env:KEY#field", false),
            ("env:KEY?version=1", false),
        ] {
            assert_eq!(
                provider().validate(&text.parse().unwrap()).is_ok(),
                good,
                "{text}"
            );
        }
    }

    #[test]
    fn an_unset_variable_is_a_miss_and_one_named_after_start_is_not() {
        assert!(matches!(answer("A", Variable::Unset), Ok(Lookup::Miss)));
        let error = answer("A", Variable::NotAsked).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert!(error.detail.contains("restart"), "{error}");
    }
}

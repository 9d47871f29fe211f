//! The provider itself: where a name's variable is, and what was found in it at start.
//!
//! It never reads the process's environment: `secrets::memory` took the variables out of it before
//! any thread existed, and what a later reload names cannot be had without a restart.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::BoxFuture;

use super::config::is_variable;
use crate::secrets::{
    Reference, SecretName,
    memory::{Taken, TakenEnvironment},
    providers::{
        ErrorKind, Fetch, Found, Lookup, MAX_VALUE_BYTES, OnError, Presence, ProviderError,
        SecretProvider,
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

    fn is_fixed_at_start(&self) -> bool {
        true
    }

    fn presence(&self, reference: &Reference) -> Presence {
        match self.taken.lookup(reference.path()) {
            Taken::Unset | Taken::Empty | Taken::NotAsked => Presence::Absent,
            // Something is there; asking for it says what is wrong with it.
            _ => Presence::Bound,
        }
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        let name = fetch.reference.path();
        Box::pin(async move { answer(name, self.taken.lookup(name)) })
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }
}

fn answer(name: &str, taken: Taken) -> Result<Lookup, ProviderError> {
    let (kind, what) = match taken {
        Taken::Value(value) => {
            return Ok(Lookup::Found(Found {
                value,
                version: None,
                created_at: None,
                expires_at: None,
            }));
        }
        Taken::Unset => return Ok(Lookup::Miss),
        Taken::Empty => {
            tracing::warn!("the variable {name} is set but empty; it counts as absent");
            return Ok(Lookup::Miss);
        }
        Taken::Malformed => (
            ErrorKind::Malformed,
            "has a control character (a line break, a tab?) in it".to_owned(),
        ),
        Taken::TooLong => (
            ErrorKind::Malformed,
            format!("is longer than {MAX_VALUE_BYTES} bytes"),
        ),
        Taken::NoRoom => (
            ErrorKind::PoolFull,
            "found no room in locked memory at start; raise the limit of locked memory or set \
             fewer variables"
                .to_owned(),
        ),
        Taken::NotAsked => (
            ErrorKind::Misconfigured,
            "was not taken from the environment at start, because the configuration did not name \
             it then; restart Keyward"
                .to_owned(),
        ),
    };
    Err(ProviderError::new(
        kind,
        format!("the variable {name} {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::memory::Pool;

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
    fn unset_and_empty_are_misses_and_nothing_else_is() {
        let pool = Pool::reserve();
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        let variables = [
            ("GOOD", Some("canary\n")),
            ("UNSET", None),
            ("EMPTY", Some("")),
            ("BROKEN", Some("canary\tcanary")),
            ("LONG", Some(long.as_str())),
        ];
        let taken = TakenEnvironment::from_values(&pool, variables);
        let got = |name: &str| answer(name, taken.lookup(name));
        assert!(
            matches!(got("GOOD"), Ok(Lookup::Found(found)) if found.value.as_slice() == b"canary")
        );
        assert!(matches!(got("UNSET"), Ok(Lookup::Miss)));
        assert!(matches!(got("EMPTY"), Ok(Lookup::Miss)));
        for (name, kind, words) in [
            ("BROKEN", ErrorKind::Malformed, "control character"),
            ("LONG", ErrorKind::Malformed, "longer"),
            ("NAMED_LATER", ErrorKind::Misconfigured, "restart"),
        ] {
            let error = got(name).unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            assert!(
                error.detail.contains(words) && !error.detail.contains("canary"),
                "{error}"
            );
        }
    }
}

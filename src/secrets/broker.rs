//! The broker itself: from a name to a secret, just in time.
//!
//! It keeps no values. It is built once, without asking any provider, and shared by all calls.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    Reference, Secret, SecretError, SecretName, SecretsSettings,
    chain::{self, Step},
    memory::Pool,
    protection::Protected,
    providers::{Presence, SecretProvider},
    single_flight::SingleFlight,
};
use crate::{
    call::CallIdentity,
    settings::{Problem, milliseconds, parse_duration},
};

/// Resolves names through the chain. Built once; shared as `Arc<Broker>`.
pub struct Broker {
    providers: BTreeMap<&'static str, Arc<dyn SecretProvider>>,
    chain: Vec<Arc<dyn SecretProvider>>,
    names: BTreeMap<SecretName, Vec<Reference>>,
    flights: SingleFlight<SecretName, Result<Arc<Secret>, SecretError>>,
    pool: Arc<Pool>,
}

/// Whether a key for a name is at hand, as far as can be told without asking a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// A variable or a file holds it.
    Bound,
    /// A reference exists; it was not looked up.
    Configured,
    /// Nowhere to look, or nothing there.
    None,
}

impl Broker {
    /// Checks `settings` against the `providers` they name. Asks no provider.
    ///
    /// # Errors
    /// Every problem found, by the path of its key.
    pub fn new(
        settings: &SecretsSettings,
        providers: Vec<Arc<dyn SecretProvider>>,
        pool: Arc<Pool>,
    ) -> Result<Self, Vec<Problem>> {
        let protect =
            |provider| Arc::new(Protected::new(provider, None)) as Arc<dyn SecretProvider>;
        let providers: BTreeMap<_, _> = providers
            .into_iter()
            .map(|provider| (provider.name(), protect(provider)))
            .collect();
        let mut problems = Vec::new();
        let mut names = BTreeMap::new();
        for (name, bound) in &settings.names {
            match name.parse::<SecretName>() {
                Ok(parsed) => {
                    let references = bound.references(name, &providers, &mut problems);
                    names.insert(parsed, references);
                }
                Err(error) => problems.push(Problem::new(
                    "secrets.names",
                    "this is not a secret's name",
                    error.to_string(),
                )),
            }
            let ttl = bound.ttl.as_deref().map(parse_duration);
            match ttl {
                None | Some(Ok(std::time::Duration::ZERO)) => {}
                Some(Ok(_)) => problems.push(Problem::at(
                    ["secrets", "names", name, "ttl"],
                    "keeping values is not in this version",
                    "write `ttl: 0s` or leave it out: each request fetches its key",
                )),
                Some(Err(expected)) => problems.push(Problem::at(
                    ["secrets", "names", name, "ttl"],
                    expected,
                    "write `ttl: 0s` or leave it out",
                )),
            }
        }
        let chain = settings
            .chain()
            .iter()
            .filter_map(|name| providers.get(name.as_str()).cloned())
            .collect();
        if problems.is_empty() {
            Ok(Self {
                providers,
                chain,
                names,
                flights: SingleFlight::new(),
                pool,
            })
        } else {
            Err(problems)
        }
    }

    /// Fetches the secret called `name`, on behalf of `asker`. Callers that wait for the same name
    /// at the same time share one fetch.
    ///
    /// # Errors
    /// See [`SecretError`]; its `Display` is safe for a client.
    pub async fn get(
        &self,
        name: &SecretName,
        asker: &CallIdentity,
    ) -> Result<Arc<Secret>, SecretError> {
        let fetch = || {
            let steps = self.steps(name);
            let (name, asker, pool) = (name.clone(), asker.clone(), Arc::clone(&self.pool));
            let fetch: futures_util::future::BoxFuture<'static, _> = Box::pin(async move {
                let (provider, found) = chain::resolve(&name, &steps, &asker, &pool).await?;
                Ok(Arc::new(Secret::new(name, provider, found)))
            });
            fetch
        };
        let started = Instant::now();
        let outcome = self.flights.join(name, fetch).await;
        let elapsed_ms = milliseconds(started.elapsed());
        let CallIdentity {
            request_id,
            tool,
            principal,
        } = asker;
        match &outcome {
            Ok(secret) => tracing::debug!(
                request_id, tool, principal, secret = %name, provider = secret.provider(),
                version = secret.version(), elapsed_ms, "secret fetched"
            ),
            Err(error) => tracing::warn!(
                request_id,
                tool,
                principal,
                error = error.operator(),
                elapsed_ms,
                "secret unavailable"
            ),
        }
        outcome
    }

    /// Whether a key for `name` is at hand. Asks no server.
    #[must_use]
    pub fn key_state(&self, name: &SecretName) -> KeyState {
        let presence = self
            .steps(name)
            .into_iter()
            .map(|step| step.provider.presence(&step.reference));
        presence
            .map(|presence| match presence {
                Presence::Bound => KeyState::Bound,
                Presence::Unknown => KeyState::Configured,
                Presence::Absent => KeyState::None,
            })
            .find(|state| *state != KeyState::None)
            .unwrap_or(KeyState::None)
    }

    /// Whether there is any place where `name` would be looked for.
    #[must_use]
    pub fn has_place(&self, name: &SecretName) -> bool {
        !self.steps(name).is_empty()
    }

    /// The names that configuration binds, in order.
    pub fn bound_names(&self) -> impl Iterator<Item = &SecretName> {
        self.names.keys()
    }

    /// Ends what the providers hold at their servers. Call once, when no call is left.
    pub async fn close(&self) {
        for provider in self.providers.values() {
            provider.close().await;
        }
    }

    fn steps(&self, name: &SecretName) -> Vec<Step> {
        let step = |provider: &Arc<dyn SecretProvider>, reference| Step {
            provider: Arc::clone(provider),
            reference,
        };
        match self.names.get(name) {
            Some(references) => references
                .iter()
                .filter_map(|reference| {
                    let provider = self.providers.get(reference.provider())?;
                    Some(step(provider, reference.clone()))
                })
                .collect(),
            None => self
                .chain
                .iter()
                .filter_map(|provider| Some(step(provider, provider.locate(name)?)))
                .collect(),
        }
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

//! The broker itself: which places each name has, and what is checked of them at load.
//!
//! It is built once, without asking any provider, and shared by all calls. How a question is
//! answered is in `asking`; what the operator may ask, in `operator`; what runs beside the calls,
//! in `housekeeping`.

mod asking;
mod housekeeping;
mod operator;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reqwest::Url;

pub(super) use self::asking::{Key, Question, Refused};
use self::housekeeping::Housekeeping;
pub use self::operator::{Checked, Explanation, Listed, Place};
use super::{
    Binding, Consumer, NotAllowed, Secret, SecretError, SecretName, SecretsSettings,
    cache::{Cache, Generation},
    chain::Step,
    config::BoundName,
    event::SecretRecorder,
    live::LiveSecrets,
    memory::Pool,
    protection::{BreakerWatch, Protected},
    providers::{Presence, SecretProvider},
    secret::Marker,
    single_flight::SingleFlight,
};
use crate::settings::Problem;

type Outcome = Result<Arc<Secret>, SecretError>;

/// Resolves names through the chain. Built once; shared as `Arc<Broker>`.
pub struct Broker {
    providers: BTreeMap<&'static str, Arc<dyn SecretProvider>>,
    chain: Vec<Arc<dyn SecretProvider>>,
    names: BTreeMap<SecretName, BoundName>,
    /// For names that configuration does not speak of.
    unbound: BoundName,
    flights: SingleFlight<(Key, Generation), Outcome>,
    cache: Mutex<Cache<Key, Arc<Secret>>>,
    marker: Marker,
    live: Arc<LiveSecrets>,
    recorder: Arc<dyn SecretRecorder>,
    housekeeping: Housekeeping,
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
        recorder: Arc<dyn SecretRecorder>,
    ) -> Result<Self, Vec<Problem>> {
        let watch: BreakerWatch = {
            let recorder = Arc::clone(&recorder);
            Arc::new(move |provider, state| recorder.breaker_changed(provider, state))
        };
        let protect = |provider| -> Arc<dyn SecretProvider> {
            Arc::new(Protected::new(provider, Some(Arc::clone(&watch))))
        };
        let providers: BTreeMap<_, _> = providers
            .into_iter()
            .map(|provider| (provider.name(), protect(provider)))
            .collect();
        let mut problems = Vec::new();
        let mut names = BTreeMap::new();
        for (name, settings) in &settings.names {
            let bound = settings.resolve(name, &providers, &mut problems);
            match name.parse::<SecretName>() {
                Ok(name) => drop(names.insert(name, bound)),
                Err(error) => problems.push(Problem::new(
                    "secrets.names",
                    "this is not a secret's name",
                    error.to_string(),
                )),
            }
        }
        let chain = settings
            .chain()
            .iter()
            .filter_map(|name| providers.get(name.as_str()).cloned())
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            providers,
            chain,
            names,
            unbound: BoundName::default(),
            flights: SingleFlight::new(),
            cache: Mutex::new(Cache::new()),
            marker: Marker::new(),
            live: Arc::new(LiveSecrets::new()),
            recorder,
            housekeeping: Housekeeping::default(),
            pool,
        })
    }

    /// Gives `consumer` the use of the secret called `name`. `home` is the address that the value
    /// will be sent to, unless `allowed_hosts` names others; `None` for a value that is sent
    /// nowhere.
    ///
    /// # Errors
    /// If configuration does not allow it, whatever the call.
    pub fn bind(
        self: &Arc<Self>,
        name: &SecretName,
        consumer: Consumer,
        home: Option<Url>,
    ) -> Result<Binding, NotAllowed> {
        let access = &self.bound(name).access;
        if !access.admits(&consumer) {
            return Err(NotAllowed::Consumer);
        }
        if let Some(home) = &home {
            access.check_host(home, home)?;
        }
        Ok(Binding::new(Arc::clone(self), name.clone(), consumer, home))
    }

    /// Recognises every value that was handed out, without holding one.
    #[must_use]
    pub fn live(&self) -> &Arc<LiveSecrets> {
        &self.live
    }

    /// Whether a key for `name` is at hand. Asks no server.
    #[must_use]
    pub fn key_state(&self, name: &SecretName) -> KeyState {
        let places = self.bound(name).places.as_deref();
        if places.is_some_and(|places| places.iter().any(|place| place.is_per_principal())) {
            return KeyState::Configured;
        }
        let steps = self.steps(name, None).unwrap_or_default();
        let presence = steps
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
        match &self.bound(name).places {
            Some(places) => !places.is_empty(),
            None => self
                .chain
                .iter()
                .any(|provider| provider.locate(name).is_some()),
        }
    }

    /// The names that configuration binds, in order.
    pub fn bound_names(&self) -> impl Iterator<Item = &SecretName> {
        self.names.keys()
    }

    /// Wipes what is kept and ends what the providers hold at their servers. Call once, when no
    /// call is left.
    pub async fn close(&self) {
        self.housekeeping.end();
        self.cache().clear();
        let closing = self.providers.values().map(|provider| provider.close());
        futures_util::future::join_all(closing).await;
    }

    fn bound(&self, name: &SecretName) -> &BoundName {
        self.names.get(name).unwrap_or(&self.unbound)
    }

    /// The places of `name` in the order in which they are asked. `principal` is for names whose
    /// place depends on it; `None` if it cannot stand in a reference.
    fn steps(&self, name: &SecretName, principal: Option<&str>) -> Option<Vec<Step>> {
        let step = |provider: &Arc<dyn SecretProvider>, reference| Step {
            provider: Arc::clone(provider),
            reference,
        };
        let Some(places) = &self.bound(name).places else {
            let located = self.chain.iter();
            return Some(
                located
                    .filter_map(|provider| Some(step(provider, provider.locate(name)?)))
                    .collect(),
            );
        };
        let references = places.iter().map(|place| place.of(principal.unwrap_or("")));
        let references: Vec<_> = references.collect::<Option<_>>()?;
        let found = references.into_iter().filter_map(|reference| {
            let provider = self.providers.get(reference.provider())?;
            Some(step(provider, reference))
        });
        Some(found.collect())
    }

    /// Never held across an await.
    fn cache(&self) -> MutexGuard<'_, Cache<Key, Arc<Secret>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.names.keys().collect();
        f.debug_struct("Broker")
            .field("names", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

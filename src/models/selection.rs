//! Selection: from the name a call asks for to a provider and its model, and the list of what may
//! be asked for.
//!
//! It fetches nothing: whether a key is at hand is told by the broker without asking a server.

use std::{path::Path, sync::Arc};

use serde::Serialize;

use super::{
    ModelError, ModelErrorKind, ModelFacts, ModelProvider,
    config::ModelsSettings,
    providers,
    resolve::{ProviderConfig, qualified, resolve},
};
use crate::{
    call::CallIdentity,
    nearest::nearest,
    secrets::{Binding, Broker, Consumer, KeyState, SecretName},
    settings::Problem,
};

/// The use of a provider's secret, as far as configuration allows it.
fn bind(config: &ProviderConfig, keys: &Arc<Broker>) -> Result<Option<Binding>, Problem> {
    let Some(name) = &config.secret else {
        return Ok(None);
    };
    let consumer = Consumer::ModelProvider(config.name.clone());
    let bound = keys.bind(name, consumer, Some(config.base_url.clone()));
    bound.map(Some).map_err(|refused| {
        Problem::at(
            ["models", "providers", config.name.as_str(), "secret"],
            refused.to_string(),
            "extend that list under `secrets.names`, or name another secret",
        )
    })
}

/// How many names are offered for one that nobody knows.
const MOST_SUGGESTED: usize = 3;

/// The models that may be asked for. Built once; shared by reference.
pub struct Models {
    providers: Vec<Arc<dyn ModelProvider>>,
    default: String,
    keys: Arc<Broker>,
}

/// A provider and one of its models.
#[derive(Clone)]
pub struct Selected {
    /// Whom to ask.
    pub provider: Arc<dyn ModelProvider>,
    /// The model's name, as the provider knows it.
    pub model: String,
}

impl std::fmt::Debug for Selected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Selected")
            .field("provider", &self.provider.name())
            .field("model", &self.model)
            .finish()
    }
}

/// One line of the list of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelListing {
    /// The name to ask for.
    pub model: String,
    /// Other names that select it.
    pub aliases: Vec<String>,
    /// The model provider's name in configuration.
    pub provider: String,
    /// `bound`: a key is at hand; `configured`: a reference to one exists; `none`: there is no
    /// key, because none is needed or none is known.
    pub key: &'static str,
}

impl Models {
    /// The models of `settings`; paths in them start at `config_dir`. Does no I/O.
    ///
    /// # Errors
    /// Every problem of the settings.
    pub fn new(
        settings: &ModelsSettings,
        keys: Arc<Broker>,
        config_dir: Option<&Path>,
    ) -> Result<Self, Vec<Problem>> {
        let mut configs = resolve(settings, |name| keys.key_state(name))?;
        let unplaced: Vec<Problem> = configs
            .iter()
            .filter(|config| {
                config
                    .secret
                    .as_ref()
                    .is_some_and(|name| !keys.has_place(name))
            })
            .map(|config| {
                Problem::at(
                    ["models", "providers", config.name.as_str(), "secret"],
                    "nothing says where this secret is",
                    "bind its name under `secrets.names`, or give a provider of `secrets.chain` \
                     a `lookup`",
                )
            })
            .collect();
        if !unplaced.is_empty() {
            return Err(unplaced);
        }
        for config in &mut configs {
            if let (Some(file), Some(dir)) = (&mut config.ca_file, config_dir) {
                *file = dir.join(&file);
            }
        }
        let mut problems = Vec::new();
        let mut built: Vec<Arc<dyn ModelProvider>> = Vec::new();
        for config in configs {
            match bind(&config, &keys) {
                Ok(key) => built.push(providers::build(config, key)),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self::of(built, &settings.default, Arc::clone(&keys)))
    }

    /// The models of `providers`, in order of preference.
    #[must_use]
    pub fn of(providers: Vec<Arc<dyn ModelProvider>>, default: &str, keys: Arc<Broker>) -> Self {
        Self {
            providers,
            default: default.to_owned(),
            keys,
        }
    }

    /// The provider and model that `name` stands for: a name, an alias, `provider/model` or
    /// `auto`; `None` stands for the configured default. `auto` passes over what `asker` may not
    /// use; a model that is named does not.
    ///
    /// # Errors
    /// An unknown name, or `auto` where no provider has a key.
    pub fn select(
        &self,
        name: Option<&str>,
        asker: Option<&CallIdentity>,
    ) -> Result<Selected, ModelError> {
        let name = name.unwrap_or(&self.default);
        if name.eq_ignore_ascii_case("auto") {
            return self.auto(asker);
        }
        self.find(|_, model| model.answers_to(name))
            .or_else(|| {
                self.find(|provider, model| {
                    qualified(name, provider).is_some_and(|rest| model.answers_to(rest))
                })
            })
            .ok_or_else(|| {
                let known = self.providers.iter().flat_map(|p| p.models());
                let names = known.map(|model| model.name.as_str());
                let nearest = nearest(name, names).into_iter().take(MOST_SUGGESTED);
                ModelError::new(ModelErrorKind::UnknownModel {
                    nearest: nearest.map(|near| near.name.to_owned()).collect(),
                })
            })
    }

    /// Every model, in order of preference, and whether its key is at hand.
    #[must_use]
    pub fn list(&self) -> Vec<ModelListing> {
        let of = |provider: &Arc<dyn ModelProvider>| {
            let key = match provider.secret().map(|name| self.keys.key_state(name)) {
                Some(KeyState::Bound) => "bound",
                Some(KeyState::Configured) => "configured",
                Some(KeyState::None) | None => "none",
            };
            let name = provider.name().to_owned();
            let listing = |model: &ModelFacts| ModelListing {
                model: model.name.clone(),
                aliases: model.aliases.clone(),
                provider: name.clone(),
                key,
            };
            provider.models().iter().map(listing).collect::<Vec<_>>()
        };
        self.providers.iter().flat_map(of).collect()
    }

    /// The secrets that the providers send.
    pub fn secrets(&self) -> impl Iterator<Item = SecretName> {
        self.providers
            .iter()
            .filter_map(|provider| provider.secret().cloned())
    }

    /// The first listed model of the first provider that has what it needs, and that `asker` may
    /// use. If there is none for this asker, the first of all: asking it says what forbids it.
    fn auto(&self, asker: Option<&CallIdentity>) -> Result<Selected, ModelError> {
        let is_ready = |provider: &&Arc<dyn ModelProvider>| match provider.secret() {
            Some(name) => self.keys.key_state(name) != KeyState::None,
            None => true,
        };
        let preferred = |provider: &Arc<dyn ModelProvider>| {
            let model = provider.models().first()?.name.clone();
            Some(Selected {
                provider: Arc::clone(provider),
                model,
            })
        };
        let ready = || self.providers.iter().filter(is_ready);
        ready()
            .filter(|provider| asker.is_none_or(|asker| provider.admits(asker)))
            .find_map(preferred)
            .or_else(|| ready().find_map(preferred))
            .ok_or_else(|| ModelError::new(ModelErrorKind::NoneAvailable))
    }

    fn find(&self, matches: impl Fn(&str, &ModelFacts) -> bool) -> Option<Selected> {
        self.providers.iter().find_map(|provider| {
            let model = provider
                .models()
                .iter()
                .find(|m| matches(provider.name(), m))?;
            Some(Selected {
                provider: Arc::clone(provider),
                model: model.name.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests;

//! Selection: from the name a call asks for to a provider and its model, and the list of what may
//! be asked for.
//!
//! It fetches nothing: whether a key is at hand is told by the broker without asking a server.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::civil::Date;
use serde::Serialize;

pub use self::auto::Category;
use super::{
    Ability, ModelError, ModelErrorKind, ModelFacts, ModelMetrics, ModelProvider, Price, Selected,
    Thinking,
    calls::Careful,
    config::ModelsSettings,
    providers::{self, Keys},
    resolve::{ProviderConfig, qualified, resolve},
};
use crate::{
    call::CallIdentity,
    nearest::nearest,
    secrets::{Broker, Consumer, KeyState, SecretName},
    settings::Problem,
};

mod auto;

/// The use of a provider's secrets, as far as configuration allows it.
fn bind(config: &ProviderConfig, broker: &Arc<Broker>) -> Result<Keys, Problem> {
    let bound = |setting: &str, name: Option<&SecretName>| {
        let Some(name) = name else {
            return Ok(None);
        };
        let consumer = Consumer::ModelProvider(config.name.clone());
        let bound = broker.bind(name, consumer, Some(config.base_url.clone()));
        bound.map(Some).map_err(|refused| {
            Problem::at(
                ["models", "providers", config.name.as_str(), setting],
                refused.to_string(),
                "extend that list under `secrets.names`, or name another secret",
            )
        })
    };
    let certificate = config.client_certificate.as_ref();
    Ok(Keys {
        key: bound("secret", config.secret.as_ref())?,
        client_key: bound("client_key_secret", certificate.map(|shown| &shown.key))?,
    })
}

/// On whose behalf a model is chosen, and which may be chosen for them.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// The call.
    pub identity: &'a CallIdentity,
    /// Whether this model of this provider (by their names) may be asked, as far as is known before
    /// the call is judged.
    pub may_ask: &'a dyn Fn(&str, &str) -> bool,
}

/// How many names are offered for one that nobody knows.
const MOST_SUGGESTED: usize = 3;

/// The models that may be asked for. Built once; shared by reference.
pub struct Models {
    providers: Vec<Arc<dyn ModelProvider>>,
    default: String,
    fallbacks: BTreeMap<String, Vec<String>>,
    locale: Option<String>,
    keys: Arc<Broker>,
}

/// One line of the list of models. What nobody stated is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// What it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The most tokens that prompt and answer may have together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// What it can do besides text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abilities: Option<Vec<Ability>>,
    /// Whether it can be asked to think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinks: Option<bool>,
    /// US dollars for a million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The day on which its vendor shuts it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Date>,
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
        metrics: &ModelMetrics,
    ) -> Result<Self, Vec<Problem>> {
        let mut configs = resolve(settings, |name| keys.key_state(name))?;
        let named = configs.iter().flat_map(|config| {
            let certificate = config.client_certificate.as_ref();
            let client_key = certificate.map(|certificate| &certificate.key);
            [
                (config, "secret", config.secret.as_ref()),
                (config, "client_key_secret", client_key),
            ]
        });
        let unplaced: Vec<Problem> = named
            .filter(|(_, _, name)| name.is_some_and(|name| !keys.has_place(name)))
            .map(|(config, setting, _)| {
                Problem::at(
                    ["models", "providers", config.name.as_str(), setting],
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
            let certificate = config.client_certificate.as_mut();
            let files = certificate.map(|certificate| &mut certificate.file);
            for file in files.into_iter().chain(&mut config.ca_file) {
                if let Some(dir) = config_dir {
                    *file = dir.join(&file);
                }
            }
        }
        let mut problems = Vec::new();
        let mut built: Vec<Arc<dyn ModelProvider>> = Vec::new();
        for config in configs {
            match bind(&config, &keys) {
                Ok(keys) => {
                    let limits = config.clone();
                    let provider = providers::build(config, keys);
                    built.push(Arc::new(Careful::new(provider, &limits, metrics.clone())));
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut models = Self::of(built, &settings.default, Arc::clone(&keys));
        models.fallbacks.clone_from(&settings.fallbacks);
        models.locale = settings.environment.locale().map(str::to_owned);
        let problems = models.unknown_fallbacks();
        if problems.is_empty() {
            Ok(models)
        } else {
            Err(problems)
        }
    }

    /// The models of `providers`, in order of preference.
    #[must_use]
    pub fn of(providers: Vec<Arc<dyn ModelProvider>>, default: &str, keys: Arc<Broker>) -> Self {
        Self {
            providers,
            default: default.to_owned(),
            fallbacks: BTreeMap::new(),
            locale: None,
            keys,
        }
    }

    /// The provider and model that `name` stands for: a name, an alias, `provider/model`, `auto` or
    /// `auto:` and a [`Category`]; `None` stands for the configured default. `auto` passes over what
    /// `asker` may not use and what cannot do all of `needs`; a model that is named does not.
    ///
    /// # Errors
    /// An unknown name, or `auto` where no provider has a key.
    pub fn select(
        &self,
        name: Option<&str>,
        asker: Option<Asker<'_>>,
        needs: &[Ability],
    ) -> Result<Selected, ModelError> {
        let name = name.unwrap_or(&self.default);
        match Category::of(name) {
            Some(Ok(category)) => return self.auto(category, asker, needs),
            Some(Err(nearest)) => {
                return Err(ModelError::new(ModelErrorKind::UnknownModel { nearest }));
            }
            None => {}
        }
        self.find(name).ok_or_else(|| {
            let known = self.providers.iter().flat_map(|p| p.models());
            let names = known.flat_map(|model| std::iter::once(&model.name).chain(&model.aliases));
            let nearest = nearest(name, names.map(String::as_str));
            ModelError::new(ModelErrorKind::UnknownModel {
                nearest: nearest
                    .into_iter()
                    .take(MOST_SUGGESTED)
                    .map(|near| near.name.to_owned())
                    .collect(),
            })
        })
    }

    /// Who is to be asked, in this order, where `selected` has too much to do or no credit.
    #[must_use]
    pub fn instead_of(&self, selected: &Selected) -> Vec<Selected> {
        let facts = selected.provider.model(&selected.model);
        let is_it = |name: &str| {
            facts.as_ref().is_some_and(|facts| facts.answers_to(name))
                || qualified(name, selected.provider.name()) == Some(&selected.model)
        };
        let written = self.fallbacks.iter().find(|(name, _)| is_it(name));
        let others = written.map(|(_, others)| others.iter());
        let found = others
            .into_iter()
            .flatten()
            .filter_map(|name| self.find(name));
        found
            .filter(|other| {
                other.model != selected.model || other.provider.name() != selected.provider.name()
            })
            .collect()
    }

    fn unknown_fallbacks(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, others) in &self.fallbacks {
            for (index, other) in others.iter().enumerate() {
                if self.find(other).is_none() {
                    problems.push(Problem::at(
                        ["models", "fallbacks", name.as_str(), &index.to_string()],
                        "no configured model has this name",
                        "write a model's name or alias, or `provider/model`",
                    ));
                }
            }
            if self.find(name).is_none() {
                problems.push(Problem::at(
                    ["models", "fallbacks", name.as_str()],
                    "no configured model has this name",
                    "write a model's name or alias, or `provider/model`",
                ));
            }
        }
        problems
    }

    /// The locale in whose language models are to answer, if one is wished for.
    #[must_use]
    pub fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
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
                description: model.description.clone(),
                context_window: model.context_window,
                abilities: model.abilities.clone(),
                thinks: match model.thinking {
                    Thinking::Unknown => None,
                    Thinking::Never => Some(false),
                    _ => Some(true),
                },
                price: model.price,
                deprecated: model.deprecated,
            };
            provider.models().iter().map(listing).collect::<Vec<_>>()
        };
        self.providers.iter().flat_map(of).collect()
    }

    /// The secrets that the providers send.
    pub fn secrets(&self) -> impl Iterator<Item = SecretName> {
        self.providers
            .iter()
            .flat_map(|provider| provider.secrets())
            .cloned()
    }

    /// What `category` prefers among the models of providers that have what they need, and that
    /// `asker` may use. If there is none for this asker, the first of all: asking it says what
    /// forbids it.
    fn auto(
        &self,
        category: Category,
        asker: Option<Asker<'_>>,
        needs: &[Ability],
    ) -> Result<Selected, ModelError> {
        let is_ready = |provider: &&Arc<dyn ModelProvider>| match provider.secret() {
            Some(name) => self.keys.key_state(name) != KeyState::None,
            None => true,
        };
        let today = jiff::Zoned::now().date();
        let preferred = |asker: Option<Asker<'_>>, needs: &[Ability]| {
            let of = |provider: &'_ Arc<dyn ModelProvider>| {
                let can = |model: &&ModelFacts| {
                    model.deprecated.is_none_or(|end| today < end)
                        && needs.iter().all(|need| model.may(*need))
                        && asker.is_none_or(|asker| (asker.may_ask)(&model.name, provider.name()))
                };
                let models = provider.models().iter().filter(can);
                models
                    .map(|model| (Arc::clone(provider), model.clone()))
                    .collect::<Vec<_>>()
            };
            let admits = |provider: &&Arc<dyn ModelProvider>| {
                asker.is_none_or(|asker| provider.admits(asker.identity))
            };
            let providers = self.providers.iter().filter(is_ready).filter(admits);
            category.best(providers.flat_map(of).collect())
        };
        preferred(asker, needs)
            .or_else(|| preferred(None, needs))
            .or_else(|| preferred(None, &[]))
            .map(|(provider, model)| Selected {
                provider,
                model: model.name,
            })
            .ok_or_else(|| ModelError::new(ModelErrorKind::NoneAvailable))
    }

    /// The model of this name: its own or an alias, then `provider/model`, then one that a provider
    /// takes unlisted.
    fn find(&self, name: &str) -> Option<Selected> {
        let of = |matches: &dyn Fn(&str, &ModelFacts) -> bool| {
            self.providers.iter().find_map(|provider| {
                let mut models = provider.models().iter();
                let model = models.find(|model| matches(provider.name(), model))?;
                Some(Selected {
                    provider: Arc::clone(provider),
                    model: model.name.clone(),
                })
            })
        };
        let unlisted = |rest: &str, is_meant: &dyn Fn(&str) -> bool| {
            let meant = |provider: &&Arc<dyn ModelProvider>| is_meant(provider.name());
            let mut meant = self.providers.iter().filter(meant);
            meant.find_map(|provider| {
                let model = provider.model(rest)?.name.clone();
                Some(Selected {
                    provider: Arc::clone(provider),
                    model,
                })
            })
        };
        of(&|_, model| model.answers_to(name))
            .or_else(|| {
                of(&|provider, model| {
                    qualified(name, provider).is_some_and(|rest| model.answers_to(rest))
                })
            })
            .or_else(|| {
                let rest = name.split_once('/').map_or(name, |(_, rest)| rest);
                unlisted(rest, &|provider| qualified(name, provider).is_some())
            })
            .or_else(|| {
                // Who named a provider did not mean another.
                let mut names = self.providers.iter().map(|provider| provider.name());
                let is_named = names.any(|provider| qualified(name, provider).is_some());
                (!is_named).then(|| unlisted(name, &|_| true))?
            })
    }
}

#[cfg(test)]
mod tests;

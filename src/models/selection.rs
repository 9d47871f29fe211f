//! Selection: from the name a call asks for to a provider and its model, and the list of what may
//! be asked for.
//!
//! It fetches nothing: whether a key is at hand is told by the broker without asking a server.

use std::{path::Path, sync::Arc};

use serde::Serialize;

use super::{
    Completion, CompletionRequest, ModelError, ModelErrorKind, ModelFacts, ModelProvider,
    config::{ModelsSettings, Protocol},
    nearest::nearest,
    providers::openai::OpenAiProvider,
    resolve::{qualified, resolve},
};
use crate::{
    call::CallContext,
    secrets::{Broker, KeyState, SecretName},
    settings::Problem,
};

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
        for config in &mut configs {
            if let (Some(file), Some(dir)) = (&mut config.ca_file, config_dir) {
                *file = dir.join(&file);
            }
        }
        let providers = configs.into_iter().map(|config| -> Arc<dyn ModelProvider> {
            match config.protocol {
                Protocol::OpenAi => Arc::new(OpenAiProvider::new(config, Arc::clone(&keys))),
            }
        });
        Ok(Self::of(
            providers.collect(),
            &settings.default,
            Arc::clone(&keys),
        ))
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

    /// Asks the model that `request.model` names: a name, an alias, `provider/model`, `auto`, or
    /// nothing for the configured default.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub async fn complete(
        &self,
        mut request: CompletionRequest,
        cx: &CallContext,
    ) -> Result<Completion, ModelError> {
        let selected = self.select(Some(request.model.as_str()).filter(|name| !name.is_empty()))?;
        request.model = selected.model;
        selected.provider.complete(&request, cx).await
    }

    /// The provider and model that `name` stands for; `None` stands for the configured default.
    ///
    /// # Errors
    /// An unknown name, or `auto` where no provider has a key.
    pub fn select(&self, name: Option<&str>) -> Result<Selected, ModelError> {
        let name = name.unwrap_or(&self.default);
        if name.eq_ignore_ascii_case("auto") {
            return self.auto();
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
                ModelError::new(ModelErrorKind::UnknownModel {
                    nearest: nearest(name, names),
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

    /// The first listed model of the first provider that has what it needs.
    fn auto(&self) -> Result<Selected, ModelError> {
        let ready = |provider: &&Arc<dyn ModelProvider>| match provider.secret() {
            Some(name) => self.keys.key_state(name) != KeyState::None,
            None => true,
        };
        self.providers
            .iter()
            .filter(ready)
            .find_map(|provider| {
                let model = provider.models().first()?.name.clone();
                Some(Selected {
                    provider: Arc::clone(provider),
                    model,
                })
            })
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

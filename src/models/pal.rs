//! What the variables of PAL MCP server mean here, so that its users' environment works as it is.
//!
//! They hold where models are and which may be used, never a key: keys are the broker's. They count
//! where no `models.providers` is written; a configuration says everything by itself.

mod catalogue;

use std::collections::BTreeMap;

use super::{
    Protocol,
    catalogue::presets,
    config::{ModelEntry, ModelProviderSettings},
};
use crate::{
    secrets::{KeyState, SecretName},
    settings::{Environment, Problem},
};

/// PAL's own choice where a local server's model is not named.
const CUSTOM_MODEL: &str = "llama3.2";
/// The longest catalogue that is read, in bytes.
const MAX_CATALOGUE_BYTES: u64 = 4 * 1024 * 1024;

/// The vendors whose models PAL's variables restrict and describe: the provider's name here, and
/// what stands before `_ALLOWED_MODELS` and `_MODELS_CONFIG_PATH`.
const VENDORS: [(&str, &str, &str); 7] = [
    ("openai", "OPENAI", "OPENAI"),
    ("gemini", "GOOGLE", "GEMINI"),
    ("xai", "XAI", "XAI"),
    ("openrouter", "OPENROUTER", "OPENROUTER"),
    ("dial", "DIAL", "DIAL"),
    ("azure", "AZURE_OPENAI", "AZURE"),
    ("custom", "CUSTOM", "CUSTOM"),
];

/// What the environment says of models.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PalEnvironment {
    variables: BTreeMap<&'static str, String>,
    allowed: BTreeMap<&'static str, Vec<String>>,
    /// By provider; or why the file could not be read.
    catalogues: BTreeMap<&'static str, Result<Vec<ModelEntry>, (String, String)>>,
}

/// Variables that are one value each.
const VARIABLES: [&str; 14] = [
    "DEFAULT_MODEL",
    "LOCALE",
    "OPENAI_BASE_URL",
    "GEMINI_BASE_URL",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_VERSION",
    "OPENROUTER_REFERER",
    "OPENROUTER_TITLE",
    "DIAL_HOST",
    "DIAL_VERSION",
    "CUSTOM_API_URL",
    "CUSTOM_MODEL_NAME",
    // Not PAL's: a Bedrock key is of use with a region alone.
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];

impl PalEnvironment {
    /// Reads the variables, and the catalogues that they name.
    #[must_use]
    pub fn read(environment: &dyn Environment) -> Self {
        let stated = |name: &str| {
            let value = environment.var(name)?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        let mut read = Self::default();
        for name in VARIABLES {
            if let Some(value) = stated(name) {
                read.variables.insert(name, value);
            }
        }
        for (provider, allowed, catalogue) in VENDORS {
            if let Some(names) = stated(&format!("{allowed}_ALLOWED_MODELS")) {
                let names = names.split(',').map(str::trim);
                let names = names.filter(|name| !name.is_empty()).map(str::to_owned);
                read.allowed.insert(provider, names.collect());
            }
            let variable = format!("{catalogue}_MODELS_CONFIG_PATH");
            if let Some(path) = stated(&variable) {
                let entries = catalogue::read(provider, path.as_ref(), MAX_CATALOGUE_BYTES);
                let entries = entries.map_err(|why| (variable, why));
                read.catalogues.insert(provider, entries);
            }
        }
        read
    }

    /// The model of a call that names none.
    #[must_use]
    pub fn default_model(&self) -> Option<&str> {
        self.var("DEFAULT_MODEL")
    }

    /// The locale in whose language models are to answer, such as `fr-FR`.
    #[must_use]
    pub fn locale(&self) -> Option<&str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        self.var("LOCALE")
            .filter(|locale| (2..=35).contains(&locale.len()) && locale.chars().all(plain))
    }

    fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The catalogues that could not be read, and restrictions that name nothing.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let failed = self.catalogues.values();
        let failed = failed.filter_map(|read| read.as_ref().err());
        let failed = failed.map(|(variable, why)| {
            let message = format!("the catalogue that {variable} names: {why}");
            Problem::new("models", message, "correct the file, or unset the variable")
        });
        let empty = self.allowed.iter().filter(|(_, names)| names.is_empty());
        let empty = empty.map(|(provider, _)| {
            let message = format!("the variable that allows models of {provider} names none");
            Problem::new("models", message, "name the models, or unset the variable")
        });
        failed.chain(empty).collect()
    }

    /// A provider for each vendor whose key is at hand, and for what needs none but an address.
    pub(super) fn providers(
        &self,
        state: impl Fn(&SecretName) -> KeyState,
    ) -> Vec<(String, ModelProviderSettings)> {
        let is_bound = |name: &str| {
            name.parse()
                .is_ok_and(|name: SecretName| state(&name) == KeyState::Bound)
        };
        let mut providers = Vec::new();
        for preset in presets() {
            if is_bound(preset.secret.as_str())
                && let Some(settings) = self.of_preset(&preset.name)
            {
                providers.push((preset.name.clone(), self.restricted(&preset.name, settings)));
            }
        }
        if let Some(endpoint) = self
            .var("AZURE_OPENAI_ENDPOINT")
            .filter(|_| is_bound("azure"))
        {
            let settings = ModelProviderSettings {
                protocol: Protocol::named("azure"),
                base_url: Some(endpoint.to_owned()),
                secret: "azure".parse().ok(),
                api_version: self.var("AZURE_OPENAI_API_VERSION").map(str::to_owned),
                ..Default::default()
            };
            let settings = self.restricted("azure", settings);
            // Deployments are named by whoever made them: without their names there are none.
            if !settings.models.is_empty() {
                providers.push(("azure".to_owned(), settings));
            }
        }
        if let Some(url) = self.var("CUSTOM_API_URL") {
            let model = self.var("CUSTOM_MODEL_NAME").unwrap_or(CUSTOM_MODEL);
            let settings = ModelProviderSettings {
                base_url: Some(url.to_owned()),
                secret: is_bound("custom").then(|| "custom".parse().ok()).flatten(),
                models: vec![ModelEntry::named(model)],
                unlisted_models: true,
                ..Default::default()
            };
            providers.push(("custom".to_owned(), self.restricted("custom", settings)));
        }
        providers
    }

    /// What is said of a vendor; `None`: too little to reach it.
    fn of_preset(&self, preset: &str) -> Option<ModelProviderSettings> {
        let elsewhere = |base_url: String| ModelProviderSettings {
            preset: Some(preset.to_owned()),
            secret: preset.parse().ok(),
            base_url: Some(base_url),
            ..Default::default()
        };
        Some(match preset {
            "openai" => match self.var("OPENAI_BASE_URL") {
                // What stands in for the vendor speaks the older protocol at the least.
                Some(url) => ModelProviderSettings {
                    protocol: Protocol::named("openai"),
                    ..elsewhere(url.to_owned())
                },
                None => ModelProviderSettings::default(),
            },
            "gemini" => match self.var("GEMINI_BASE_URL") {
                Some(url) => elsewhere(format!("{}/v1beta", url.trim_end_matches('/'))),
                None => ModelProviderSettings::default(),
            },
            "openrouter" => {
                let said = [
                    ("HTTP-Referer", self.var("OPENROUTER_REFERER")),
                    ("X-OpenRouter-Title", self.var("OPENROUTER_TITLE")),
                ];
                let headers = said.into_iter();
                let headers =
                    headers.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
                ModelProviderSettings {
                    headers: headers.collect(),
                    unlisted_models: true,
                    ..Default::default()
                }
            }
            "dial" => ModelProviderSettings {
                api_version: self.var("DIAL_VERSION").map(str::to_owned),
                // Whose key it is, his server it is for: there is none that could be guessed.
                ..elsewhere(self.var("DIAL_HOST")?.to_owned())
            },
            "bedrock" => ModelProviderSettings {
                region: Some(
                    self.var("AWS_REGION")
                        .or(self.var("AWS_DEFAULT_REGION"))?
                        .to_owned(),
                ),
                ..Default::default()
            },
            "vertex" => return None,
            _ => ModelProviderSettings::default(),
        })
    }

    /// With the models of a catalogue of the user's own, and of these the allowed.
    fn restricted(
        &self,
        provider: &str,
        mut settings: ModelProviderSettings,
    ) -> ModelProviderSettings {
        if let Some(Ok(entries)) = self.catalogues.get(provider) {
            settings.models.clone_from(entries);
        }
        let Some(allowed) = self.allowed.get(provider) else {
            return settings;
        };
        // Names that no catalogue knows are taken at their word.
        let known = std::mem::take(&mut settings.models);
        let mut names: Vec<ModelEntry> = Vec::new();
        for name in allowed {
            let answers = |entry: &&ModelEntry| {
                let aliases = entry.aliases.iter().flatten();
                std::iter::once(&entry.name)
                    .chain(aliases)
                    .any(|own| own.eq_ignore_ascii_case(name))
            };
            let entry = known.iter().find(answers).cloned();
            let entry = entry.unwrap_or_else(|| ModelEntry::named(canonical(provider, name)));
            if !names
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&entry.name))
            {
                names.push(entry);
            }
        }
        settings.models = names;
        settings.unlisted_models = false;
        settings
    }
}

/// The vendor's own name for a model that is allowed by an alias.
fn canonical<'a>(provider: &str, name: &'a str) -> &'a str
where
    'static: 'a,
{
    let preset = presets().iter().find(|preset| preset.name == provider);
    let mut models = preset.into_iter().flat_map(|preset| preset.models());
    let known = models.find(|model| model.answers_to(name));
    known.map_or(name, |model| &model.name)
}

#[cfg(test)]
mod tests;

//! From settings to providers: completes each entry from its preset and refuses what cannot be
//! right, before anything runs.
//!
//! The one rule that guards a key: a preset's secret is taken over only together with the
//! preset's own address. An entry called `openai` that leads elsewhere gets no key unless it
//! names one.

use std::path::PathBuf;

use reqwest::Url;

use super::{
    catalogue::{MaxTokensField, ModelFacts, Preset, preset, presets},
    config::{Connections, ModelProviderSettings, ModelsSettings, Protocol, Timeouts},
};
use crate::{
    outbound::is_loopback,
    secrets::{KeyState, SecretName},
    settings::Problem,
};

/// A provider with every question answered.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Its name in configuration.
    pub name: String,
    /// The wire protocol.
    pub protocol: Protocol,
    /// The address of chat/completions.
    pub endpoint: Url,
    /// The secret to send, if any.
    pub secret: Option<SecretName>,
    /// What becomes of a connection after an answer.
    pub connections: Connections,
    /// Its models, the preferred first.
    pub models: Vec<ModelFacts>,
    /// The name of the field that limits the answer.
    pub max_tokens_field: MaxTokensField,
    /// Whether to ask for usage.
    pub include_usage: bool,
    /// Whether the key may cross the network in clear text.
    pub allow_plaintext: bool,
    /// The authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The longest answer, in bytes of text.
    pub max_answer_bytes: usize,
}

impl ProviderConfig {
    /// Whether the address is this machine: requests to it use no proxy and need no TLS.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.endpoint)
    }

    /// Whether a key would be sent in clear text over a network without leave to.
    #[must_use]
    pub fn exposes_key(&self) -> bool {
        self.secret.is_some()
            && self.endpoint.scheme() != "https"
            && !self.is_loopback()
            && !self.allow_plaintext
    }
}

/// Every problem of the section `models:`. Asks nothing of the network, the disk or the broker.
#[must_use]
pub fn validate(settings: &ModelsSettings) -> Vec<Problem> {
    resolve(settings, |_| KeyState::None)
        .err()
        .unwrap_or_default()
}

/// The providers of `settings`, completed; where none is written, those of the well-known vendors
/// whose key is at hand.
///
/// # Errors
/// Every problem found.
pub fn resolve(
    settings: &ModelsSettings,
    state: impl Fn(&SecretName) -> KeyState,
) -> Result<Vec<ProviderConfig>, Vec<Problem>> {
    let mut problems = Vec::new();
    let unwritten;
    let written = if settings.providers.0.is_empty() {
        unwritten = well_known(state);
        &unwritten
    } else {
        &settings.providers.0
    };
    let mut providers = Vec::new();
    for (name, entry) in written {
        if let Some(provider) = complete(name, entry, &mut problems) {
            providers.push(provider);
        }
    }
    if problems.is_empty() && !default_is_known(settings, &providers) {
        problems.push(Problem::new(
            "models.default",
            "no configured model has this name",
            "write `auto`, or one of the names under `models.providers.*.models`",
        ));
    }
    if problems.is_empty() {
        Ok(providers)
    } else {
        Err(problems)
    }
}

/// What stands for `models.providers` where it is absent: a provider for each vendor whose key
/// is in the environment (`Bound`), in the catalogue's order.
#[must_use]
pub fn well_known(state: impl Fn(&SecretName) -> KeyState) -> Vec<(String, ModelProviderSettings)> {
    presets()
        .iter()
        .filter(|preset| state(&preset.secret) == KeyState::Bound)
        .map(|preset| (preset.name.clone(), ModelProviderSettings::default()))
        .collect()
}

fn default_is_known(settings: &ModelsSettings, providers: &[ProviderConfig]) -> bool {
    let default = settings.default.as_str();
    // Without configured providers the default may be of a vendor whose key is not set today.
    let mut known: Box<dyn Iterator<Item = (&str, &ModelFacts)>> =
        if settings.providers.0.is_empty() {
            Box::new(
                presets()
                    .iter()
                    .flat_map(|p| p.models.iter().map(|m| (p.name.as_str(), m))),
            )
        } else {
            Box::new(
                providers
                    .iter()
                    .flat_map(|p| p.models.iter().map(|m| (p.name.as_str(), m))),
            )
        };
    default.eq_ignore_ascii_case("auto")
        || known.any(|(provider, model)| {
            model.answers_to(default)
                || qualified(default, provider).is_some_and(|name| model.answers_to(name))
        })
}

/// The model's part of `provider/model`, if `name` is qualified by `provider`.
pub(super) fn qualified<'a>(name: &'a str, provider: &str) -> Option<&'a str> {
    let (before, model) = name.split_once('/')?;
    before.eq_ignore_ascii_case(provider).then_some(model)
}

fn complete(
    name: &str,
    entry: &ModelProviderSettings,
    problems: &mut Vec<Problem>,
) -> Option<ProviderConfig> {
    let before = problems.len();
    let mut refuse = |key: &str, message: &str, help: &str| {
        let path = ["models", "providers", name]
            .into_iter()
            .chain(key.split('.'));
        problems.push(Problem::at(
            path.filter(|part| !part.is_empty()),
            message,
            help,
        ));
    };
    if !is_plain_name(name) {
        refuse(
            "",
            "a model provider's name is 1 to 64 characters of a-z, A-Z, 0-9, `_` and `-`",
            "rename it",
        );
    }
    let preset = match preset_of(name, entry) {
        Ok(preset) => preset,
        Err(UnknownPreset) => {
            refuse(
                "preset",
                "no vendor of this name is known",
                "write `openai`, `gemini`, `xai`, `mistral` or `openrouter`, or leave it out",
            );
            None
        }
    };
    let endpoint = match entry
        .base_url
        .as_deref()
        .or(preset.map(|p| p.base_url.as_str()))
    {
        Some(base) => parse_endpoint(base).map_err(|(message, help)| {
            refuse("base_url", message, help);
        }),
        None => {
            refuse(
                "base_url",
                "no address is known for this provider",
                "write the address up to and without `/chat/completions`, such as \
                 `http://127.0.0.1:11434/v1`",
            );
            Err(())
        }
    };
    let at_preset = entry.base_url.is_none()
        || preset.is_some_and(|preset| leads_to(entry.base_url.as_deref(), preset));
    let secret = entry.secret.clone().or_else(|| {
        preset
            .filter(|_| at_preset)
            .map(|preset| preset.secret.clone())
    });
    let models = models(entry, preset, &mut refuse);
    for (key, zero) in [
        ("timeouts.connect", entry.timeouts.connect.is_zero()),
        ("timeouts.first_byte", entry.timeouts.first_byte.is_zero()),
        ("timeouts.total", entry.timeouts.total.is_zero()),
        ("max_answer_bytes", entry.max_answer_bytes == 0),
    ] {
        if zero {
            refuse(
                key,
                "zero would refuse every answer",
                "write a larger value, or leave it out",
            );
        }
    }
    let provider = ProviderConfig {
        name: name.to_owned(),
        protocol: entry.protocol,
        endpoint: endpoint.ok()?,
        secret,
        connections: entry.connections,
        models,
        max_tokens_field: entry
            .max_tokens_field
            .or(preset.map(|preset| preset.max_tokens_field))
            .unwrap_or_default(),
        include_usage: entry
            .include_usage
            .or(preset.map(|preset| preset.include_usage))
            .unwrap_or(true),
        allow_plaintext: entry.allow_plaintext,
        ca_file: entry.ca_file.clone(),
        timeouts: entry.timeouts,
        max_answer_bytes: entry.max_answer_bytes,
    };
    if provider.exposes_key() {
        refuse(
            "base_url",
            "the key would travel to another machine in clear text",
            "use https, or set `allow_plaintext: true` if the network is yours alone",
        );
    }
    (problems.len() == before).then_some(provider)
}

struct UnknownPreset;

/// The preset that completes an entry: the one it names, or the one of its own name unless it
/// leads elsewhere.
fn preset_of(
    name: &str,
    entry: &ModelProviderSettings,
) -> Result<Option<&'static Preset>, UnknownPreset> {
    match &entry.preset {
        Some(named) => preset(named).map(Some).ok_or(UnknownPreset),
        None => Ok(preset(name)
            .filter(|p| entry.base_url.is_none() || leads_to(entry.base_url.as_deref(), p))),
    }
}

fn leads_to(base_url: Option<&str>, preset: &Preset) -> bool {
    let parse = |base: &str| parse_endpoint(base).ok();
    base_url
        .and_then(parse)
        .is_some_and(|url| Some(url) == parse(&preset.base_url))
}

fn parse_endpoint(base: &str) -> Result<Url, (&'static str, &'static str)> {
    let url = Url::parse(base).map_err(|_| {
        (
            "not a URL",
            "write an address such as `https://api.openai.com/v1`",
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err((
            "not an http or https URL",
            "write `https://…` or `http://127.0.0.1:…`",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "a URL must not hold a user or a password",
            "name a secret with `secret:`; whatever was written here now stands in a file",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err((
            "a base URL has no `?query` and no `#fragment`",
            "write only the address; keys go into the Authorization header by `secret:`",
        ));
    }
    let endpoint = format!("{}/chat/completions", url.as_str().trim_end_matches('/'));
    Url::parse(&endpoint).map_err(|_| ("not a URL", "write an address"))
}

fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn models(
    entry: &ModelProviderSettings,
    preset: Option<&Preset>,
    refuse: &mut impl FnMut(&str, &str, &str),
) -> Vec<ModelFacts> {
    let known = preset
        .map(|preset| preset.models.as_slice())
        .unwrap_or_default();
    if entry.models.is_empty() {
        if known.is_empty() {
            refuse(
                "models",
                "no models are listed",
                "list the names that the server knows, such as `[\"qwen3:32b\"]`",
            );
        }
        return known.to_vec();
    }
    let mut models: Vec<ModelFacts> = Vec::new();
    for (index, written) in entry.models.iter().enumerate() {
        let facts = known
            .iter()
            .find(|facts| facts.answers_to(&written.name))
            .cloned();
        let mut facts = facts.unwrap_or_else(|| ModelFacts::named(&written.name));
        if let Some(aliases) = &written.aliases {
            facts.aliases.clone_from(aliases);
        }
        facts.max_output_tokens = written.max_output_tokens.or(facts.max_output_tokens);
        facts.temperature = written.temperature.unwrap_or(facts.temperature);
        let key = format!("models.{index}");
        for name in std::iter::once(&facts.name).chain(&facts.aliases) {
            if name.eq_ignore_ascii_case("auto") {
                refuse(
                    &key,
                    "`auto` stands for a choice, not for a model",
                    "rename it",
                );
            } else if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
                refuse(
                    &key,
                    "a model's name is 1 to 128 printable characters",
                    "correct it",
                );
            } else if models.iter().any(|other| other.answers_to(name)) {
                refuse(
                    &key,
                    "another model of this provider has this name",
                    "remove one",
                );
            }
        }
        models.push(facts);
    }
    models
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Temperature;

    fn read(yaml: &str) -> ModelsSettings {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn one(yaml: &str) -> ProviderConfig {
        resolve(&read(yaml), |_| KeyState::None).unwrap().remove(0)
    }

    /// The paths of the refused keys.
    fn refused(yaml: &str) -> Vec<String> {
        validate(&read(yaml))
            .iter()
            .map(|problem| problem.path.join("."))
            .collect()
    }

    #[test]
    fn a_well_known_provider_needs_nothing_but_its_name() {
        let openai = one("providers: { openai: {} }");
        assert_eq!(
            openai.endpoint.as_str(),
            "https://api.openai.com/v1/chat/completions"
        );
        assert_eq!(openai.secret.unwrap().as_str(), "openai");
        assert_eq!(openai.max_tokens_field, MaxTokensField::MaxCompletionTokens);
        assert_eq!(openai.models[0].temperature, Temperature::Fixed);
    }

    #[test]
    fn the_documented_shape_is_understood() {
        let settings = read(
            "default: auto\nproviders:\n  openai: { protocol: openai, base_url: \
             \"https://api.openai.com/v1\", secret: openai, connections: strict, models: [gpt-5] }\n  \
             local: { protocol: openai, base_url: \"http://127.0.0.1:11434/v1\", models: \
             [\"qwen3:32b\"] }\n",
        );
        let providers = resolve(&settings, |_| KeyState::None).unwrap();
        let [openai, local] = providers.as_slice() else {
            panic!("{providers:?}")
        };
        // The preset's facts hold, since its address is the same.
        assert_eq!(openai.models[0].temperature, Temperature::Fixed);
        assert_eq!(openai.max_tokens_field, MaxTokensField::MaxCompletionTokens);
        assert_eq!(local.secret, None);
        assert_eq!(local.max_tokens_field, MaxTokensField::MaxTokens);
        assert!(local.include_usage && local.is_loopback());
    }

    #[test]
    fn a_presets_key_does_not_follow_to_another_address() {
        for elsewhere in [
            "openai: { base_url: \"https://evil.example/v1\", models: [m] }",
            "openai: { base_url: \"https://api.openai.com.evil.example/v1\", models: [m] }",
            "openai: { base_url: \"http://api.openai.com/v1\", models: [m] }",
            "mine: { preset: openai, base_url: \"https://evil.example/v1\" }",
        ] {
            let provider = one(&format!("providers: {{ {elsewhere} }}"));
            assert_eq!(provider.secret, None, "{elsewhere}");
        }
        let named = one("providers: { mine: { preset: openai } }");
        assert_eq!(named.secret.unwrap().as_str(), "openai");
        let slash = one("providers: { openai: { base_url: \"https://api.openai.com/v1/\" } }");
        assert_eq!(slash.secret.unwrap().as_str(), "openai");
    }

    #[test]
    fn a_key_is_not_sent_in_clear_text_to_another_machine() {
        let with = |base: &str, more: &str| {
            format!("providers: {{ a: {{ base_url: \"{base}\", models: [m] {more} }} }}")
        };
        for here in [
            "http://127.0.0.1:1/v1",
            "http://127.9.9.9/v1",
            "http://[::1]:1/v1",
            "http://localhost/v1",
        ] {
            assert!(refused(&with(here, ", secret: k")).is_empty(), "{here}");
        }
        for there in [
            "http://10.0.0.1/v1",
            "http://localhost.evil.example/v1",
            "http://vault.localhost/v1",
            "http://example/v1",
        ] {
            assert_eq!(
                refused(&with(there, ", secret: k")),
                ["models.providers.a.base_url"]
            );
            assert!(
                refused(&with(there, "")).is_empty(),
                "{there}: no key is sent"
            );
            assert!(refused(&with(there, ", secret: k, allow_plaintext: true")).is_empty());
        }
    }

    #[test]
    fn addresses_that_carry_secrets_or_lead_nowhere_are_refused() {
        for base in [
            "https://user@h/v1",
            "https://user:pass@h/v1",
            "https://h/v1?key=x",
            "https://h/v1#x",
            "ftp://h/v1",
            "file:///v1",
            "h/v1",
            "https://",
        ] {
            let yaml = format!("providers: {{ a: {{ base_url: \"{base}\", models: [m] }} }}");
            assert_eq!(refused(&yaml), ["models.providers.a.base_url"], "{base}");
        }
        assert_eq!(
            refused("providers: { a: { models: [m] } }"),
            ["models.providers.a.base_url"]
        );
    }

    #[test]
    fn no_problem_repeats_a_refused_value() {
        let key = "sk-proj-0123456789abcdefghij";
        let settings = read(&format!(
            "default: {key}\nproviders:\n  a: {{ base_url: \"https://{key}@h/v1\", \
             preset: {key}, models: [] }}\n  b: {{ base_url: \"{key}\", models: [auto] }}\n"
        ));
        let problems = validate(&settings);
        assert!(problems.len() >= 4, "{problems:?}");
        assert!(!format!("{problems:?}").contains(key));
    }

    #[test]
    fn model_lists_are_checked() {
        let list = |models: &str| {
            refused(&format!(
                "providers: {{ a: {{ base_url: \"https://h/v1\", models: {models} }} }}"
            ))
        };
        assert_eq!(list("[]"), ["models.providers.a.models"]);
        assert_eq!(list("[m, auto]"), ["models.providers.a.models.1"]);
        assert_eq!(list("[m, M]"), ["models.providers.a.models.1"]);
        assert_eq!(
            list("[m, { name: n, aliases: [m] }]"),
            ["models.providers.a.models.1"]
        );
        assert_eq!(list("[\"\"]"), ["models.providers.a.models.0"]);
        assert!(list("[\"qwen3:32b\", vendor/model, \"vendor/model:free\"]").is_empty());
    }

    #[test]
    fn what_is_written_wins_over_the_catalogue() {
        let provider = one(
            "providers: { openai: { max_tokens_field: max_tokens, include_usage: false, models: \
             [{ name: gpt-5, temperature: free, aliases: [five] }] } }",
        );
        assert_eq!(provider.max_tokens_field, MaxTokensField::MaxTokens);
        assert!(!provider.include_usage);
        let facts = &provider.models[0];
        assert_eq!(
            (facts.temperature, facts.max_output_tokens),
            (Temperature::Free, Some(128_000))
        );
        assert!(facts.answers_to("FIVE"));
    }

    #[test]
    fn without_settings_a_vendor_appears_when_its_key_is_bound() {
        let settings = ModelsSettings::default();
        let bound = |name: &SecretName| match name.as_str() {
            "xai" | "openai" => KeyState::Bound,
            "gemini" => KeyState::Configured,
            _ => KeyState::None,
        };
        let names: Vec<_> = resolve(&settings, bound)
            .unwrap()
            .into_iter()
            .map(|provider| provider.name)
            .collect();
        assert_eq!(names, ["openai", "xai"]);
        assert!(resolve(&settings, |_| KeyState::None).unwrap().is_empty());
    }

    #[test]
    fn the_default_must_be_a_model() {
        assert_eq!(refused("default: nonesuch"), ["models.default"]);
        assert!(refused("default: gpt-5").is_empty());
        assert!(refused("default: AUTO").is_empty());
        let local = "providers: { local: { base_url: \"http://127.0.0.1/v1\", models: [m] } }";
        assert_eq!(
            refused(&format!("default: gpt-5\n{local}")),
            ["models.default"]
        );
        assert!(refused(&format!("default: local/m\n{local}")).is_empty());
    }
}

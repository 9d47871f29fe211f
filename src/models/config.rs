//! Settings of the models: the default, the providers, and what is said of each model.
//!
//! These types only say what may be written; `resolve` completes them from the catalogue and
//! refuses what cannot be right. They hold names of secrets, never a key.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use jiff::civil::Date;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    calls::LimitSettings,
    catalogue::MaxTokensField,
    facts::{Ability, Price, Speed, Temperature},
    pal::PalEnvironment,
    providers,
    thinking::Thinking,
};
use crate::{
    protection::BreakerSettings,
    secrets::SecretName,
    settings::{duration, optional_duration, stated},
};

/// The section `models:`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsSettings {
    /// The model of a call that names none: a model's name, or `auto`, which is the first listed
    /// model of the first provider that has a key. Default: `auto`.
    pub default: String,
    /// Whom to ask, in this order, where a model has too much to do or no credit: by the model's name.
    /// Absent: nobody.
    pub fallbacks: BTreeMap<String, Vec<String>>,
    /// The model providers, in order of preference. Absent: one for each well-known vendor whose
    /// key is set in the environment.
    pub providers: ProviderList,
    /// What the environment says, where no provider is written.
    #[serde(skip)]
    pub environment: PalEnvironment,
}

impl Default for ModelsSettings {
    fn default() -> Self {
        Self {
            default: "auto".to_owned(),
            fallbacks: BTreeMap::new(),
            providers: ProviderList::default(),
            environment: PalEnvironment::default(),
        }
    }
}

/// Providers by name, in the order in which they were written: the order is the preference, so
/// a sorted map would not do. A name written twice is refused.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderList(pub Vec<(String, ModelProviderSettings)>);

impl<'de> Deserialize<'de> for ProviderList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = ProviderList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("model providers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProviderList, A::Error> {
                let mut list: Vec<(String, ModelProviderSettings)> = Vec::new();
                while let Some((name, settings)) = map.next_entry::<String, _>()? {
                    if list.iter().any(|(other, _)| *other == name) {
                        return Err(de::Error::custom("a model provider is configured twice"));
                    }
                    list.push((name, settings));
                }
                Ok(ProviderList(list))
            }

            fn visit_unit<E: de::Error>(self) -> Result<ProviderList, E> {
                Ok(ProviderList::default())
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// One entry of `models.providers`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelProviderSettings {
    /// The wire protocol: `openai` (chat/completions), `openai-responses`, `anthropic`, `gemini`,
    /// `azure`, `vertex`, `bedrock` or `dial`. Default: the preset's, else `openai`.
    pub protocol: Option<Protocol>,
    /// A well-known vendor whose protocol and models apply, such as `openai` or `anthropic`.
    /// Default: the one of the provider's own name, unless `base_url` leads elsewhere.
    pub preset: Option<String>,
    /// Where the API lives, up to and without what the protocol adds (`/chat/completions`,
    /// `/v1/messages`). Default: the preset's.
    pub base_url: Option<String>,
    /// The name of the secret that is sent as the protocol says. Default: the preset's where
    /// `base_url` is the preset's too, else none, and then no key is sent.
    pub secret: Option<SecretName>,
    /// The version of the API that stands in the address (`azure`, `dial`). Default: none for
    /// `azure`, whose v1 endpoint is asked then; `2024-10-21` for `dial`.
    pub api_version: Option<String>,
    /// Whether the secret is an access token rather than a key (`azure`, `dial`): it is sent as
    /// `Authorization: Bearer`. Default: false.
    pub bearer_token: bool,
    /// The project (`vertex`).
    pub project: Option<String>,
    /// The region, or the location, where the models run (`vertex`, `bedrock`).
    pub region: Option<String>,
    /// Headers of the vendor's that say who asks, such as OpenRouter's `HTTP-Referer`. No keys.
    pub headers: BTreeMap<String, String>,
    /// Whether models that are not listed may be asked for by the vendor's own name for them.
    /// Default: false.
    pub unlisted_models: bool,
    /// Whether the vendor may keep instructions in a cache for minutes, where that must be asked
    /// for and is paid (Anthropic's). Default: false.
    pub prompt_cache: bool,
    /// What becomes of a connection after an answer. Default: `strict`.
    pub connections: Connections,
    /// The models that may be asked for: names, or objects that also state facts. The first is
    /// the one that `auto` means. Default: the preset's.
    pub models: Vec<ModelEntry>,
    /// Under which name the server takes the limit of an answer. Default: the preset's, else
    /// `max_tokens`.
    pub max_tokens_field: Option<MaxTokensField>,
    /// Whether to ask for token counts (`stream_options.include_usage`). Default: the preset's,
    /// else true.
    pub include_usage: Option<bool>,
    /// Sends the key over plain HTTP to another machine, or prompts to one beyond the private
    /// network. Default: false, and such a `base_url` is refused.
    pub allow_plaintext: bool,
    /// The proxy on the way to it, which sees only that there is a connection: `http://host:port`.
    /// Default: the one that `HTTPS_PROXY` names, if any.
    pub proxy: Option<String>,
    /// A PEM file of the only authorities to trust for this provider. Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the certificate that is shown where the server, or a gateway before it, asks
    /// for one, and with what is between it and its authority. Default: none.
    pub client_certificate_file: Option<PathBuf>,
    /// The name of the secret that is its private key, in PEM.
    pub client_key_secret: Option<SecretName>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How many calls run and wait at once.
    pub limits: LimitSettings,
    /// How often a call is tried again that failed before an answer had begun, where that is safe.
    /// Default: 2.
    pub retries: u32,
    /// After how long without the beginning of an answer the same is asked once more beside it; the
    /// vendor may charge for both. Absent: never.
    #[serde(deserialize_with = "optional_duration")]
    pub hedge_after: Option<Duration>,
    /// When the provider is left alone.
    pub breaker: BreakerSettings,
    /// The models that may be asked for, by name or alias, with `*` and `?`. Absent: all.
    #[serde(deserialize_with = "stated")]
    pub allowed_models: Option<Vec<String>>,
    /// The longest answer to accept, in bytes of text. Default: 4194304.
    pub max_answer_bytes: usize,
}

impl Default for ModelProviderSettings {
    fn default() -> Self {
        Self {
            protocol: None,
            preset: None,
            base_url: None,
            secret: None,
            api_version: None,
            bearer_token: false,
            project: None,
            region: None,
            headers: BTreeMap::new(),
            unlisted_models: false,
            prompt_cache: false,
            connections: Connections::default(),
            models: Vec::new(),
            max_tokens_field: None,
            include_usage: None,
            allow_plaintext: false,
            proxy: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_secret: None,
            timeouts: Timeouts::default(),
            limits: LimitSettings::default(),
            retries: 2,
            hedge_after: None,
            breaker: BreakerSettings::default(),
            allowed_models: None,
            max_answer_bytes: 4 * 1024 * 1024,
        }
    }
}

/// A wire protocol, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol(&'static str);

impl Protocol {
    /// The protocol called `name`, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let known = providers::protocols().iter();
        known.copied().find(|known| *known == name).map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Whether a vendor speaks both at one address.
    pub(super) fn shares_address(self, other: Self) -> bool {
        let is_openai = |protocol: Self| matches!(protocol.0, "openai" | "openai-responses");
        self == other || (is_openai(self) && is_openai(other))
    }
}

impl Default for Protocol {
    fn default() -> Self {
        Self("openai")
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| de::Error::unknown_variant(&name, providers::protocols()))
    }
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connections {
    /// It is closed, so that no buffer keeps the key.
    #[default]
    Strict,
    /// It is kept for a few seconds for the next call; until then a buffer may hold the key.
    Pooled,
}

/// Deadlines of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For the connection, TLS included. Default: `10s`.
    #[serde(deserialize_with = "duration")]
    pub connect: Duration,
    /// From sending the request to the first byte of its answer. Default: `60s`.
    #[serde(deserialize_with = "duration")]
    pub first_byte: Duration,
    /// For the whole call. Default: `5m`.
    #[serde(deserialize_with = "duration")]
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(60),
            total: Duration::from_secs(300),
        }
    }
}

/// A model of a provider: a name, or an object whose facts win over the catalogue's, one by one.
/// See [`ModelFacts`](super::ModelFacts) for what each means.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ModelEntry {
    /// The name that the vendor knows.
    pub name: String,
    /// Other names that select it; they replace the catalogue's.
    pub aliases: Option<Vec<String>>,
    /// What it is good for.
    pub description: Option<String>,
    /// The most tokens of prompt and answer.
    pub context_window: Option<u64>,
    /// The most tokens it can answer with.
    pub max_output_tokens: Option<u32>,
    /// How it thinks.
    pub thinking: Option<Thinking>,
    /// What it can do.
    pub abilities: Option<Vec<Ability>>,
    /// Which temperatures it takes.
    pub temperature: Option<Temperature>,
    /// What it costs.
    pub price: Option<Price>,
    /// How strong it is at reasoning, 1 to 20.
    pub intelligence: Option<u8>,
    /// How quickly it answers.
    pub speed: Option<Speed>,
    /// The day on which it is shut down.
    pub deprecated: Option<Date>,
}

impl ModelEntry {
    /// An entry that states nothing but the name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

// By hand, because an untagged enum would answer any mistake with "did not match any variant".
impl<'de> Deserialize<'de> for ModelEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrObject;
        impl<'de> Visitor<'de> for NameOrObject {
            type Value = ModelEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a model's name, or an object with `name`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<ModelEntry, E> {
                Ok(ModelEntry::named(name))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelEntry, A::Error> {
                // The one that is derived.
                ModelEntry::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(NameOrObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<ModelsSettings, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn providers_keep_the_order_in_which_they_were_written() {
        let settings = read("providers: { zeta: {}, alpha: {}, mid: {} }").unwrap();
        let names: Vec<_> = settings
            .providers
            .0
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["zeta", "alpha", "mid"]);
        assert_eq!(settings.default, "auto");
    }

    #[test]
    fn a_provider_written_twice_is_refused() {
        assert!(read("providers:\n  a: {}\n  a: {}\n").is_err());
    }

    #[test]
    fn a_model_is_a_name_or_an_object() {
        let settings = read(
            "providers:\n  local:\n    models:\n      - qwen3:32b\n      - vendor/model\n      \
             - { name: m, aliases: [n], temperature: fixed, max_output_tokens: 5 }\n",
        )
        .unwrap();
        let models = &settings.providers.0[0].1.models;
        assert_eq!(models[0], ModelEntry::named("qwen3:32b"));
        assert_eq!(models[1], ModelEntry::named("vendor/model"));
        assert_eq!(models[2].temperature, Some(Temperature::Fixed));
        assert_eq!(models[2].aliases.as_deref(), Some(&["n".to_owned()][..]));
        let wrong = read("providers: { a: { models: [{ name: m, colour: red }] } }").unwrap_err();
        assert!(wrong.contains("colour"), "{wrong}");
    }

    #[test]
    fn what_this_version_does_not_know_is_refused() {
        for wrong in [
            "providers: { a: { protocol: telegraph } }",
            "providers: { a: { connections: lazy } }",
            "providers: { a: { base_uri: x } }",
            "providers: { a: { timeouts: { read: 1s } } }",
            "restrictions: {}",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_written_with_a_unit() {
        let settings = read("providers: { a: { timeouts: { total: 250ms } } }").unwrap();
        let timeouts = settings.providers.0[0].1.timeouts;
        assert_eq!(timeouts.total, Duration::from_millis(250));
        assert_eq!(timeouts.connect, Duration::from_secs(10));
    }
}

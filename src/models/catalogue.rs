//! The catalogue: what is known of well-known vendors and their models, as data in
//! `config/models/`.
//!
//! It is apart from the settings because it is ours, dated and replaced with a release, while
//! settings are the operator's and win over it. It names the variable a key is usually in so
//! that advice can say it; it never reads one.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::secrets::SecretName;

const FILES: [&str; 5] = [
    include_str!("../../config/models/openai.yaml"),
    include_str!("../../config/models/gemini.yaml"),
    include_str!("../../config/models/xai.yaml"),
    include_str!("../../config/models/mistral.yaml"),
    include_str!("../../config/models/openrouter.yaml"),
];

/// A vendor whose address, dialect and models are known.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The preset's name, and the provider's where nothing is configured.
    pub name: String,
    /// The day the facts were gathered.
    pub as_of: String,
    /// Where the API lives, up to and without `/chat/completions`.
    pub base_url: String,
    /// The secret that holds the vendor's key.
    pub secret: SecretName,
    /// The variable that users commonly put the key in.
    pub variable: String,
    /// The name of the field that limits the answer.
    pub max_tokens_field: MaxTokensField,
    /// Whether usage must be, and may be, asked for in a stream.
    pub include_usage: bool,
    /// A handful of current models; the first is the one that `auto` means.
    pub models: Vec<ModelFacts>,
}

/// What is known of one model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFacts {
    /// The name that the vendor knows.
    pub name: String,
    /// Other names that select it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The most tokens it can answer with, if known. Asking for more is an argument error.
    #[serde(default)]
    pub max_output_tokens: Option<u32>,
    /// Whether a temperature may be asked for.
    #[serde(default)]
    pub temperature: Temperature,
}

impl ModelFacts {
    /// A model of which nothing but the name is known.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            max_output_tokens: None,
            temperature: Temperature::Free,
        }
    }

    /// Whether `name` selects this model: its name or an alias, in any case.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        std::iter::once(&self.name)
            .chain(&self.aliases)
            .any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Whether a model takes a sampling temperature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temperature {
    /// Any from 0 to 2.
    #[default]
    Free,
    /// Only its own: asking for one is an argument error.
    Fixed,
}

/// The name under which a server takes the limit of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// OpenAI's own, for its current models.
    MaxCompletionTokens,
    /// The older name, which most compatible servers take.
    #[default]
    MaxTokens,
}

/// The vendors that are known, in the order in which `auto` tries them where nothing is
/// configured.
#[must_use]
pub fn presets() -> &'static [Preset] {
    // The files are compiled in; a test asserts that each of them parses.
    static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
        FILES
            .iter()
            .filter_map(|text| serde_saphyr::from_str(text).ok())
            .collect()
    });
    &PRESETS
}

/// The preset called `name`.
pub(super) fn preset(name: &str) -> Option<&'static Preset> {
    presets().iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_shipped_catalogue_parses_and_is_dated() {
        for text in FILES {
            let preset: Preset = serde_saphyr::from_str(text).unwrap();
            assert!(
                preset.as_of.parse::<jiff::civil::Date>().is_ok(),
                "{}",
                preset.name
            );
            assert!(!preset.models.is_empty(), "{}", preset.name);
            assert!(preset.base_url.starts_with("https://"), "{}", preset.name);
            assert!(!preset.base_url.ends_with('/'), "{}", preset.name);
        }
        assert_eq!(presets().len(), FILES.len());
    }

    #[test]
    fn no_name_or_alias_stands_for_two_models() {
        let mut seen = HashSet::new();
        for model in presets().iter().flat_map(|preset| &preset.models) {
            for name in std::iter::once(&model.name).chain(&model.aliases) {
                assert!(seen.insert(name.to_ascii_lowercase()), "{name}");
                assert_ne!(name, "auto");
            }
        }
    }
}

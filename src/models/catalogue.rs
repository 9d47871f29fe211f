//! The catalogue: what is known of well-known vendors and their models, as data in
//! `config/models/`.
//!
//! It is apart from the settings because it is ours, dated and replaced with a release, while
//! settings are the operator's and win over it. It names the variable a key is usually in so
//! that advice can say it; it never reads one.

use std::sync::{LazyLock, OnceLock};

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};

use super::{
    config::{ModelEntry, Protocol},
    facts::ModelFacts,
    thinking::Thinking,
};
use crate::secrets::SecretName;

const FILES: &[&str] = &[
    include_str!("../../config/models/openai.yaml"),
    include_str!("../../config/models/anthropic.yaml"),
    include_str!("../../config/models/gemini.yaml"),
    include_str!("../../config/models/xai.yaml"),
    include_str!("../../config/models/mistral.yaml"),
    include_str!("../../config/models/deepseek.yaml"),
    include_str!("../../config/models/groq.yaml"),
    include_str!("../../config/models/openrouter.yaml"),
    include_str!("../../config/models/vertex.yaml"),
    #[cfg(feature = "bedrock")]
    include_str!("../../config/models/bedrock.yaml"),
    include_str!("../../config/models/dial.yaml"),
];

/// A vendor whose address, protocol and models are known.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The preset's name, and the provider's where nothing is configured.
    pub name: String,
    /// The day the facts were gathered.
    pub as_of: Date,
    /// The wire protocol.
    pub protocol: Protocol,
    /// Where the API lives; `None` where that is the user's own to say.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The secret that holds the vendor's key.
    pub secret: SecretName,
    /// The variable that users commonly put the key in, if there is one.
    #[serde(default)]
    pub variable: Option<String>,
    /// The name of the field that limits the answer, in chat/completions.
    #[serde(default)]
    pub max_tokens_field: MaxTokensField,
    /// Whether usage must be, and may be, asked for in a stream of chat/completions.
    #[serde(default = "yes")]
    pub include_usage: bool,
    /// What the file says of its models, as text.
    #[serde(skip)]
    listed: &'static str,
    #[serde(skip)]
    models: OnceLock<Vec<ModelFacts>>,
}

/// The part of a file that is read when a vendor is used: reading all of all costs a start more
/// than everything else that it does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(deserialize_with = "facts")]
    models: Vec<ModelFacts>,
}

impl Preset {
    /// One file. A test asserts that both parts of each parse.
    fn read(text: &'static str) -> Option<Self> {
        let (head, _) = text.split_once("\nmodels:\n")?;
        let mut preset: Self = serde_saphyr::from_str(head).ok()?;
        preset.listed = text.get(head.len()..)?;
        Some(preset)
    }

    /// A handful of current models; the first is the one that `auto` means.
    #[must_use]
    pub fn models(&self) -> &[ModelFacts] {
        self.models.get_or_init(|| {
            serde_saphyr::from_str(self.listed)
                .map(|listed: Listed| listed.models)
                .unwrap_or_default()
        })
    }
}

fn yes() -> bool {
    true
}

/// What a catalogue does not say of a model is so: one whose thinking is not told of does not think.
fn facts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ModelFacts>, D::Error> {
    let entries = Vec::<ModelEntry>::deserialize(deserializer)?;
    let fact = |entry: &ModelEntry| {
        let mut named = ModelFacts::named(&entry.name);
        named.thinking = Thinking::Never;
        named.abilities = Some(Vec::new());
        named.overridden(entry)
    };
    Ok(entries.iter().map(fact).collect())
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
    static PRESETS: LazyLock<Vec<Preset>> =
        LazyLock::new(|| FILES.iter().filter_map(|text| Preset::read(text)).collect());
    &PRESETS
}

/// The preset called `name`.
pub(super) fn preset(name: &str) -> Option<&'static Preset> {
    presets().iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests;

//! What is known of a model: its limits, what it can do, what it costs.
//!
//! The catalogue states these facts and an operator's settings override them one by one. What
//! nobody stated is unknown and not guessed: an unknown ability is tried, an unknown price is no
//! cost.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{config::ModelEntry, thinking::Thinking};

/// What is known of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// The name that the vendor knows.
    pub name: String,
    /// Other names that select it.
    pub aliases: Vec<String>,
    /// What it is good for, in one sentence.
    pub description: Option<String>,
    /// The most tokens that prompt and answer may have together.
    pub context_window: Option<u64>,
    /// The most tokens it can answer with. Asking for more is an argument error.
    pub max_output_tokens: Option<u32>,
    /// How it thinks, and how that is asked for.
    pub thinking: Thinking,
    /// What it can do besides text; `None`: nobody said.
    pub abilities: Option<Vec<Ability>>,
    /// Which temperatures may be asked for.
    pub temperature: Temperature,
    /// What it costs.
    pub price: Option<Price>,
    /// How strong it is at reasoning, 1 to 20, by our own estimate.
    pub intelligence: Option<u8>,
    /// How quickly it answers.
    pub speed: Option<Speed>,
    /// The day on which its vendor shuts it down.
    pub deprecated: Option<Date>,
}

/// Something that a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// It reads images.
    Images,
    /// Its answer can be held to a JSON Schema.
    Json,
    /// It calls functions.
    Tools,
    /// It takes instructions apart from the prompt.
    SystemPrompt,
}

/// Which sampling temperatures a model takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temperature {
    /// Any from 0 to 2.
    #[default]
    Free,
    /// Only its own: asking for one is an argument error.
    Fixed,
    /// Any between these.
    Range {
        /// The lowest.
        min: f64,
        /// The highest.
        max: f64,
    },
}

/// How quickly a model answers, by our own estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// It takes its time.
    Slow,
    /// As others.
    Balanced,
    /// More quickly than others.
    Fast,
}

/// A list price, in US dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of the prompt.
    pub input: f64,
    /// Of what the vendor had cached of it. Absent: as the rest of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Of what the vendor newly cached of it. Absent: as the rest of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Of the answer, with the thinking before it.
    pub output: f64,
    /// Where a long prompt makes all of a call dearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<LongPrice>,
    /// The day on which it was so.
    pub as_of: Date,
}

/// The price of a call whose prompt is long: of all its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LongPrice {
    /// Of a prompt with more tokens than these.
    pub tokens: u64,
    /// As [`Price::input`].
    pub input: f64,
    /// As [`Price::cached_input`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// As [`Price::cache_write`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// As [`Price::output`].
    pub output: f64,
}

impl Price {
    /// The price of a call with so many tokens of prompt.
    #[must_use]
    pub fn of_prompt(self, input_tokens: u64) -> Self {
        match self.above {
            Some(long) if input_tokens > long.tokens => Self {
                input: long.input,
                cached_input: long.cached_input,
                cache_write: long.cache_write,
                output: long.output,
                ..self
            },
            _ => self,
        }
    }
}

impl ModelFacts {
    /// A model of which nothing but the name is known.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            description: None,
            context_window: None,
            max_output_tokens: None,
            thinking: Thinking::Unknown,
            abilities: None,
            temperature: Temperature::Free,
            price: None,
            intelligence: None,
            speed: None,
            deprecated: None,
        }
    }

    /// Whether `name` selects this model: its name or an alias, in any case.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        std::iter::once(&self.name)
            .chain(&self.aliases)
            .any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether it can do this, as far as anybody said.
    #[must_use]
    pub fn may(&self, ability: Ability) -> bool {
        self.abilities
            .as_ref()
            .is_none_or(|known| known.contains(&ability))
    }

    /// These facts, with whatever `entry` states in their place.
    #[must_use]
    pub fn overridden(mut self, entry: &ModelEntry) -> Self {
        fn set<T: Clone>(fact: &mut T, stated: Option<&T>) {
            if let Some(stated) = stated {
                fact.clone_from(stated);
            }
        }
        set(&mut self.aliases, entry.aliases.as_ref());
        set(&mut self.thinking, entry.thinking.as_ref());
        set(&mut self.temperature, entry.temperature.as_ref());
        self.description = entry.description.clone().or(self.description);
        self.context_window = entry.context_window.or(self.context_window);
        self.max_output_tokens = entry.max_output_tokens.or(self.max_output_tokens);
        self.abilities = entry.abilities.clone().or(self.abilities);
        self.price = entry.price.or(self.price);
        self.intelligence = entry.intelligence.or(self.intelligence);
        self.speed = entry.speed.or(self.speed);
        self.deprecated = entry.deprecated.or(self.deprecated);
        self
    }
}

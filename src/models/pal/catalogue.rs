//! A catalogue in PAL's JSON form: `{ "models": [{ "model_name": …, "aliases": … }] }`.
//!
//! What it says that we have no use for is passed over, as PAL does it.

use std::{fs::File, io::Read as _, path::Path};

use serde::Deserialize;

use crate::models::{Ability, Budget, Level, Levels, ModelEntry, Temperature, Thinking};

#[derive(Deserialize)]
struct Catalogue {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    model_name: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    intelligence_score: Option<u8>,
    #[serde(default)]
    context_window: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<u32>,
    #[serde(default)]
    max_thinking_tokens: u32,
    #[serde(default)]
    supports_extended_thinking: bool,
    #[serde(default = "yes")]
    supports_system_prompts: bool,
    #[serde(default)]
    supports_function_calling: bool,
    #[serde(default)]
    supports_json_mode: bool,
    #[serde(default)]
    supports_images: bool,
    #[serde(default = "yes")]
    supports_temperature: bool,
    #[serde(default)]
    temperature_constraint: Option<String>,
    #[serde(default)]
    default_reasoning_effort: Option<Level>,
    #[serde(default)]
    deployment: Option<String>,
}

fn yes() -> bool {
    true
}

/// Reads the catalogue of a provider at `path`.
pub(super) fn read(provider: &str, path: &Path, max_bytes: u64) -> Result<Vec<ModelEntry>, String> {
    let mut text = String::new();
    let mut file = File::open(path).map_err(|error| error.kind().to_string())?;
    let read = file.by_ref().take(max_bytes).read_to_string(&mut text);
    read.map_err(|error| error.kind().to_string())?;
    let catalogue: Catalogue = serde_json::from_str(&text).map_err(|error| {
        format!(
            "not a catalogue (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    Ok(catalogue
        .models
        .into_iter()
        .map(|model| model.entry(provider))
        .collect())
}

impl Model {
    fn entry(self, provider: &str) -> ModelEntry {
        let abilities = [
            (self.supports_images, Ability::Images),
            (self.supports_json_mode, Ability::Json),
            (self.supports_function_calling, Ability::Tools),
            (self.supports_system_prompts, Ability::SystemPrompt),
        ];
        let abilities = abilities.into_iter();
        let thinking = match (self.supports_extended_thinking, provider) {
            (false, _) => Thinking::Never,
            (true, "gemini") if self.max_thinking_tokens > 0 => Thinking::Budget(Budget {
                min_tokens: 128.min(self.max_thinking_tokens),
                max_tokens: self.max_thinking_tokens,
                can_disable: false,
            }),
            (true, _) => Thinking::Effort(Levels {
                levels: vec![Level::Low, Level::Medium, Level::High],
                default: self
                    .default_reasoning_effort
                    .filter(|level| matches!(level, Level::Low | Level::Medium | Level::High)),
            }),
        };
        let is_fixed =
            !self.supports_temperature || self.temperature_constraint.as_deref() == Some("fixed");
        let mut aliases = self.aliases;
        let name = match self.deployment {
            // At Azure the deployment is asked, and people know the model.
            Some(deployment) if provider == "azure" => {
                aliases.push(self.model_name.clone());
                deployment
            }
            _ => self.model_name,
        };
        aliases.retain(|alias| !alias.eq_ignore_ascii_case(&name));
        ModelEntry {
            name,
            aliases: Some(aliases),
            description: self.description,
            context_window: self.context_window,
            max_output_tokens: self.max_output_tokens,
            thinking: Some(thinking),
            abilities: Some(
                abilities
                    .filter(|(can, _)| *can)
                    .map(|(_, ability)| ability)
                    .collect(),
            ),
            temperature: Some(if is_fixed {
                Temperature::Fixed
            } else {
                Temperature::Free
            }),
            intelligence: self.intelligence_score.map(|score| score.clamp(1, 20)),
            ..ModelEntry::default()
        }
    }
}

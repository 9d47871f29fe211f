//! Which models a provider has, and which of them may be asked for.

use glob::{MatchOptions, Pattern};

use crate::models::{
    ModelFacts, catalogue::Preset, config::ModelProviderSettings, selection::Category,
};

/// Whether a text can be a model's name. It may become a step of an address, where dots would lead
/// up, and where line ends and tabs would vanish after the policy had seen them.
pub(in crate::models) fn is_model_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic())
        && !name.split('/').any(|step| matches!(step, "." | ".." | ""))
}

pub(super) fn models(
    entry: &ModelProviderSettings,
    preset: Option<&Preset>,
    refuse: &mut impl FnMut(&str, &str, &str),
) -> Vec<ModelFacts> {
    let known = preset.map(Preset::models).unwrap_or_default();
    if entry.models.is_empty() {
        if known.is_empty() && !entry.unlisted_models {
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
        let facts = facts.unwrap_or_else(|| ModelFacts::named(&written.name));
        let facts = facts.overridden(written);
        let key = format!("models.{index}");
        for name in std::iter::once(&facts.name).chain(&facts.aliases) {
            if Category::of(name).is_some() {
                refuse(
                    &key,
                    "`auto` and what begins with `auto:` stand for a choice, not for a model",
                    "rename it",
                );
            } else if !is_model_name(name) {
                refuse(
                    &key,
                    "a model's name is 1 to 128 visible ASCII characters, and not `.` or `..`",
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

/// The patterns of `allowed_models`, and which of `models` they allow.
pub(super) fn allowed(
    entry: &ModelProviderSettings,
    models: Vec<ModelFacts>,
    refuse: &mut impl FnMut(&str, &str, &str),
) -> (Option<Vec<Pattern>>, Vec<ModelFacts>) {
    let Some(written) = &entry.allowed_models else {
        return (None, models);
    };
    if written.is_empty() {
        let help = "leave it out for all of them, or remove the provider";
        refuse(
            "allowed_models",
            "an empty list means no model at all",
            help,
        );
    }
    let mut patterns = Vec::with_capacity(written.len());
    for (index, text) in written.iter().enumerate() {
        let key = format!("allowed_models.{index}");
        let Ok(pattern) = Pattern::new(text) else {
            refuse(
                &key,
                "this is no pattern",
                "write a name, with `*` for any text",
            );
            continue;
        };
        let is_known = models.iter().any(|model| is_meant(&pattern, model));
        if !is_known && !entry.unlisted_models && !models.is_empty() {
            let help = "correct it: a list that allows less than it seems to is a mistake";
            refuse(&key, "no model of this provider has such a name", help);
        }
        patterns.push(pattern);
    }
    let is_allowed = |model: &ModelFacts| patterns.iter().any(|pattern| is_meant(pattern, model));
    let models = models.into_iter().filter(is_allowed).collect();
    (Some(patterns), models)
}

/// In any case, as models are asked for.
pub(super) const IN_ANY_CASE: MatchOptions = MatchOptions {
    case_sensitive: false,
    require_literal_separator: false,
    require_literal_leading_dot: false,
};

fn is_meant(pattern: &Pattern, model: &ModelFacts) -> bool {
    let mut names = std::iter::once(&model.name).chain(&model.aliases);
    names.any(|name| pattern.matches_with(name, IN_ANY_CASE))
}

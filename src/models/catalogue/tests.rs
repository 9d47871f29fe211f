//! The shipped catalogue, checked whole.

use std::collections::HashMap;

use super::*;
use crate::{
    models::{Ability, Temperature},
    secrets::providers::well_known_variable,
};

#[test]
fn every_shipped_catalogue_parses() {
    for text in FILES {
        let preset = Preset::read(text).unwrap_or_else(|| panic!("{text}"));
        let listed: Result<Listed, _> = serde_saphyr::from_str(preset.listed);
        let listed = listed.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(!listed.models.is_empty(), "{}", preset.name);
        assert_eq!(listed.models, preset.models());
        if let Some(base_url) = preset.base_url {
            assert!(base_url.starts_with("https://"), "{}", preset.name);
            assert!(!base_url.ends_with('/'), "{}", preset.name);
        }
    }
    assert_eq!(presets().len(), FILES.len());
}

#[test]
fn no_name_or_alias_stands_for_two_models() {
    // What several services sell under one name is one model.
    let mut seen: HashMap<String, (&str, bool)> = HashMap::new();
    for preset in presets() {
        for model in preset.models() {
            let names = std::iter::once((&model.name, false));
            for (name, is_alias) in names.chain(model.aliases.iter().map(|alias| (alias, true))) {
                let lower = name.to_ascii_lowercase();
                assert_ne!(lower, "auto");
                if let Some((other, was_alias)) = seen.insert(lower, (&preset.name, is_alias)) {
                    let is_same_model = other != preset.name && !was_alias && !is_alias;
                    assert!(is_same_model, "{name} of {other} and {}", preset.name);
                }
            }
        }
    }
}

#[test]
fn what_is_stated_of_a_model_is_sane() {
    for preset in presets() {
        for model in preset.models() {
            let name = format!("{}/{}", preset.name, model.name);
            let context = model.context_window.unwrap_or(u64::MAX);
            assert!(context >= 4_096, "{name}");
            let output = u64::from(model.max_output_tokens.unwrap_or(1));
            assert!((1..=context).contains(&output), "{name}");
            match &model.thinking {
                Thinking::Unknown => panic!("{name}: a catalogue says whether a model thinks"),
                Thinking::Never | Thinking::Always => {}
                Thinking::Effort(levels) | Thinking::Level(levels) | Thinking::Adaptive(levels) => {
                    assert!(!levels.levels.is_empty(), "{name}");
                    let is_taken = |default| levels.levels.contains(&default);
                    assert!(levels.default.is_none_or(is_taken), "{name}");
                }
                Thinking::Budget(budget) => {
                    assert!(budget.min_tokens <= budget.max_tokens, "{name}");
                    assert!(u64::from(budget.max_tokens) <= context, "{name}");
                }
            }
            if let Temperature::Range { min, max } = model.temperature {
                assert!(0.0 <= min && min < max && max <= 2.0, "{name}");
            }
            if let Some(price) = model.price {
                for amount in [
                    Some(price.input),
                    price.cached_input,
                    price.cache_write,
                    Some(price.output),
                ] {
                    assert!(
                        amount.is_none_or(|usd| (0.0..=1000.0).contains(&usd)),
                        "{name}"
                    );
                }
                assert!(
                    price
                        .cached_input
                        .is_none_or(|cached| cached <= price.input),
                    "{name}"
                );
                assert!(price.as_of <= preset.as_of, "{name}");
                if let Some(long) = price.above {
                    assert!((1..context).contains(&long.tokens), "{name}");
                    assert!(price.input < long.input && long.input < 1000.0, "{name}");
                    assert!(price.output < long.output && long.output < 1000.0, "{name}");
                    let keeps = price.cached_input.is_some() == long.cached_input.is_some();
                    assert!(
                        keeps && long.cached_input.is_none_or(|usd| usd <= long.input),
                        "{name}"
                    );
                }
            }
            assert!(
                (1..=20).contains(&model.intelligence.unwrap_or(1)),
                "{name}"
            );
            assert!(
                model
                    .description
                    .as_ref()
                    .is_some_and(|text| text.ends_with('.')),
                "{name}"
            );
        }
        assert!(preset.models()[0].abilities.is_some(), "{}", preset.name);
        assert!(
            preset
                .models()
                .iter()
                .any(|model| model.may(Ability::SystemPrompt))
        );
    }
}

#[test]
fn the_variable_of_each_key_is_one_that_is_looked_at() {
    for preset in presets() {
        if let Some(variable) = &preset.variable {
            let known = well_known_variable(preset.secret.as_str());
            assert_eq!(known, Some(variable.as_str()), "{}", preset.name);
        }
    }
}

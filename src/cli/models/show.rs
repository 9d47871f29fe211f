//! `keyward models show NAME`: what is known of a model. Contacts nothing.

use serde_json::{Value, json};

use super::named;
use crate::{
    cli::{Exit, print, world::World},
    models::{ModelFacts, Selected, Temperature, Thinking},
};

/// Shows the facts.
pub(super) fn show(world: &World, name: &str, as_json: bool) -> Exit {
    let selected = match named(world, name) {
        Ok(selected) => selected,
        Err(exit) => return exit,
    };
    let facts = selected.provider.model(&selected.model);
    let facts = facts.map_or_else(
        || ModelFacts::named(&selected.model),
        std::borrow::Cow::into_owned,
    );
    let told = told(world, &selected, &facts);
    if as_json {
        print(&told);
        return Exit::Done;
    }
    for (fact, value) in told.as_object().into_iter().flatten() {
        let value = match value {
            price @ Value::Object(_) if fact == "price" => in_words(price),
            Value::Null => "unknown".to_owned(),
            Value::String(text) => text.clone(),
            Value::Array(items) if items.is_empty() => "none".to_owned(),
            Value::Array(items) => {
                let items = items.iter().map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                });
                items.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        print(format_args!("{fact:<18}{value}"));
    }
    Exit::Done
}

/// A price as people read it: US dollars for a million tokens.
fn in_words(price: &Value) -> String {
    let amounts = |price: &Value| {
        let words = [
            ("input", "in"),
            ("cached_input", "cached"),
            ("cache_write", "cache write"),
            ("output", "out"),
        ];
        let told = words.iter().filter_map(|(field, word)| {
            let amount = price[field].as_f64()?;
            Some(format!("{amount} {word}"))
        });
        told.collect::<Vec<_>>().join(", ")
    };
    let mut text = format!("{} USD for a million tokens", amounts(price));
    if let Some(tokens) = price["above"]["tokens"].as_u64() {
        let above = amounts(&price["above"]);
        text.push_str(&format!("; with more than {tokens} in {above}"));
    }
    if let Some(day) = price["as_of"].as_str() {
        text.push_str(&format!(" ({day})"));
    }
    text
}

fn told(world: &World, selected: &Selected, facts: &ModelFacts) -> Value {
    let instead = world.models.instead_of(selected);
    let instead: Vec<String> = instead
        .iter()
        .map(|other| format!("{}/{}", other.provider.name(), other.model))
        .collect();
    json!({
        "model": facts.name,
        "provider": selected.provider.name(),
        "host": selected.provider.host(),
        "secrets": selected.secrets(),
        "aliases": facts.aliases,
        "description": facts.description,
        "context_window": facts.context_window,
        "max_output_tokens": facts.max_output_tokens,
        "thinking": match &facts.thinking {
            Thinking::Unknown => Value::Null,
            known => json!(known),
        },
        "abilities": facts.abilities,
        "temperature": match facts.temperature {
            Temperature::Free => "0 to 2".to_owned(),
            Temperature::Fixed => "fixed".to_owned(),
            Temperature::Range { min, max } => format!("{min} to {max}"),
        },
        "price": facts.price,
        "intelligence": facts.intelligence,
        "speed": facts.speed,
        "deprecated": facts.deprecated,
        "fallbacks": instead,
    })
}

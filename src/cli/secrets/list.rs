//! `keyward secrets list`: the secrets that the configuration uses, where each is looked for, how
//! long it may be kept and who may use it. Contacts nothing.

use std::time::Duration;

use serde_json::{Value, json};

use super::used;
use crate::{
    cli::{Exit, print, world::World},
    secrets::Listed,
};

/// Lists the secrets.
pub(super) fn list(world: &World, as_json: bool) -> Exit {
    let listed: Vec<Listed> = used(world)
        .iter()
        .map(|name| world.broker.list(name))
        .collect();
    if as_json {
        let secrets: Vec<Value> = listed.iter().map(to_json).collect();
        print(json!({ "secrets": secrets }));
    } else if listed.is_empty() {
        print("no secrets are configured: set OPENAI_API_KEY, or write secrets.names");
    }
    if !as_json {
        for secret in &listed {
            print(text(secret));
        }
    }
    Exit::Done
}

/// One secret as JSON. Durations are in seconds.
pub(super) fn to_json(secret: &Listed) -> Value {
    let places: Vec<Value> = secret
        .places
        .iter()
        .map(|place| {
            json!({ "provider": place.provider, "reference": place.reference,
                    "on_error": if place.goes_on_after_error { "next" } else { "stop" } })
        })
        .collect();
    let seconds = |span: Duration| span.as_secs_f64();
    json!({
        "name": secret.name.as_str(),
        "bound": secret.is_bound,
        "places": places,
        "policy": {
            "ttl_seconds": seconds(secret.terms.ttl),
            "refresh_ahead_seconds": seconds(secret.terms.refresh_ahead),
            "negative_ttl_seconds": seconds(secret.terms.negative_ttl),
            "stale_if_error_seconds": seconds(secret.terms.stale_if_error),
        },
        "allowed": secret.allowed,
    })
}

fn text(secret: &Listed) -> String {
    let mut lines = vec![secret.name.to_string()];
    let mut line = |label: &str, what: String| lines.push(format!("  {label:<11}{what}"));
    if secret.places.is_empty() {
        line(
            "looked for",
            "nowhere: bind it under secrets.names".to_owned(),
        );
    }
    for (index, place) in secret.places.iter().enumerate() {
        let label = if index == 0 { "looked for" } else { "then" };
        let goes_on = if place.goes_on_after_error {
            " (after an error the next is asked)"
        } else {
            ""
        };
        line(label, format!("{}{goes_on}", place.reference));
    }
    line("kept", kept(secret));
    let or = |key: &str, otherwise: &str| match secret.allowed.get(key) {
        Some(Some(allowed)) => allowed.join(", "),
        _ => otherwise.to_owned(),
    };
    line(
        "sent to",
        or("hosts", "the addresses of the model providers that name it"),
    );
    line(
        "used by",
        format!(
            "model providers: {}; tools: {}; principals: {}",
            or("model_providers", "all that name it"),
            or("tools", "all"),
            or("principals", "all")
        ),
    );
    lines.join("\n")
}

fn kept(secret: &Listed) -> String {
    let terms = secret.terms;
    let mut parts = Vec::new();
    if terms.ttl.is_zero() {
        parts.push("not at all: each request fetches it".to_owned());
    } else {
        parts.push(format!("for {}", span(terms.ttl)));
    }
    if !terms.refresh_ahead.is_zero() {
        parts.push(format!(
            "fetched anew {} before that",
            span(terms.refresh_ahead)
        ));
    }
    if !terms.stale_if_error.is_zero() {
        let stale = span(terms.stale_if_error);
        parts.push(format!("up to {stale} longer while its store fails"));
    }
    if !terms.negative_ttl.is_zero() {
        parts.push(format!(
            "that nobody has it, for {}",
            span(terms.negative_ttl)
        ));
    }
    parts.join("; ")
}

/// A duration as configuration writes it.
fn span(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds.is_multiple_of(length) {
            return format!("{}{unit}", milliseconds / length);
        }
    }
    format!("{milliseconds}ms")
}

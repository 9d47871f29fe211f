//! `keyward secrets check`: fetches each secret once, says what was found, wipes it.
//!
//! It is the operator's command, so it shows what a client never sees: which server, mount or
//! file refused, and why. It has no way to show a value.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{Exit, complain, print, world::World};
use crate::{
    call::CallIdentity,
    secrets::{Checked, InvalidName, Secret, SecretName},
};

/// Checks the secrets called `names`, or all that the configuration uses.
pub(super) async fn check(world: World, names: &[String], as_json: bool) -> Exit {
    let names = match names {
        [] => used(&world),
        names => match names
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, InvalidName>>()
        {
            Ok(names) => names,
            Err(error) => {
                complain(error);
                return Exit::Unreadable;
            }
        },
    };
    let asker = CallIdentity {
        request_id: uuid::Uuid::new_v4().simple().to_string(),
        tool: "secrets check".to_owned(),
        principal: "operator".to_owned(),
    };
    let mut results = Vec::new();
    let mut exit = Exit::Done;
    let names: Vec<_> = names.into_iter().collect();
    let tell = |checked: Checked| {
        let Checked {
            name,
            outcome,
            latency,
        } = checked;
        // The secret is dropped, and wiped, with `outcome` at the end of this round.
        let result = match &outcome {
            Ok(secret) => found(secret, latency),
            Err(error) => {
                exit = Exit::Invalid;
                json!({ "name": name.as_str(), "found": false, "error": error.operator(),
                        "latency_ms": milliseconds(latency) })
            }
        };
        if !as_json {
            print(line(&result));
        }
        results.push(result);
    };
    world.broker.check(&names, &asker, tell).await;
    if as_json {
        print(json!({ "secrets": results }));
    } else if results.is_empty() {
        print("no secrets are configured: set OPENAI_API_KEY, or write secrets.names");
    }
    world.broker.close().await;
    exit
}

/// Every name that the configuration binds or that something in it asks for.
fn used(world: &World) -> BTreeSet<SecretName> {
    let token = world
        .config
        .server
        .http
        .as_ref()
        .and_then(|http| http.token_secret.clone());
    world
        .broker
        .bound_names()
        .cloned()
        .chain(world.models.secrets())
        .chain(token)
        .collect()
}

fn found(secret: &Secret, latency: Duration) -> Value {
    let age = secret
        .created_at()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    json!({
        "name": secret.name().as_str(),
        "found": true,
        "provider": secret.provider(),
        "version": secret.version(),
        "age_seconds": age.map(|age| age.as_secs()),
        "latency_ms": milliseconds(latency),
    })
}

fn line(result: &Value) -> String {
    let text = |key: &str| result[key].as_str().unwrap_or("-").to_owned();
    let latency = &result["latency_ms"];
    match result["found"].as_bool() {
        Some(true) => format!(
            "ok    {:<20} provider {}, version {}, age {}, {latency} ms",
            text("name"),
            text("provider"),
            text("version"),
            age(result["age_seconds"].as_u64()),
        ),
        _ => format!("FAIL  {:<20} {}, {latency} ms", text("name"), text("error")),
    }
}

fn milliseconds(latency: Duration) -> f64 {
    (latency.as_secs_f64() * 10_000.0).round() / 10.0
}

/// An age in its largest whole unit.
fn age(seconds: Option<u64>) -> String {
    match seconds {
        None => "unknown".to_owned(),
        Some(s) if s < 120 => format!("{s} s"),
        Some(s) if s < 2 * 3600 => format!("{} min", s / 60),
        Some(s) if s < 2 * 86400 => format!("{} h", s / 3600),
        Some(s) => format!("{} d", s / 86400),
    }
}

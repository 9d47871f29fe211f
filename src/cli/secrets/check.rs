//! `keyward secrets check`: fetches each secret once, says what was found, wipes it.
//!
//! It is the operator's command, so it shows what a client never sees: which server, mount or
//! file refused, and why. It has no way to show a value.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{milliseconds, named, operator};
use crate::{
    cli::{Exit, keeping, print, world::World},
    secrets::{Checked, Secret},
};

/// Checks the secrets called `names`, or all that the configuration uses.
pub(super) async fn check(
    world: World,
    names: &[String],
    principal: Option<&str>,
    as_json: bool,
) -> Exit {
    let names = match named(&world, names) {
        Ok(names) => names,
        Err(exit) => return exit,
    };
    let asker = operator("secrets check", principal);
    let audit = match keeping::open(&world) {
        Ok(audit) => audit,
        Err(error) => return error.report(as_json),
    };
    let mut results = Vec::new();
    let mut exit = Exit::Done;
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
    audit.close().await;
    exit
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

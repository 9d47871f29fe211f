//! `keyward secrets explain NAME`: which places are asked for a secret, in which order and why, and
//! what each answers now. It asks as a call would, stops where a call would stop, and wipes what it
//! found.

use serde_json::{Value, json};

use super::{list, milliseconds, named, operator};
use crate::{
    cli::{Exit, keeping, print, world::World},
    secrets::{Answered, Explanation, Told},
};

/// Explains how the secret called `name` is found, for `principal` if its place depends on one.
pub(super) async fn explain(
    world: World,
    name: &str,
    principal: Option<&str>,
    as_json: bool,
) -> Exit {
    let names = match named(&world, &[name.to_owned()]) {
        Ok(names) => names,
        Err(exit) => return exit,
    };
    let audit = match keeping::open(&world) {
        Ok(audit) => audit,
        Err(error) => return error.report(as_json),
    };
    let mut exit = Exit::Done;
    for name in &names {
        let asker = operator("secrets explain", principal);
        let explanation = world.broker.explain(name, &asker).await;
        if explanation.error.is_some() {
            exit = Exit::Invalid;
        }
        if as_json {
            print(to_json(&explanation));
        } else {
            print(text(&explanation, &world.config.secrets.chain()));
        }
    }
    world.broker.close().await;
    audit.close().await;
    exit
}

fn to_json(explanation: &Explanation) -> Value {
    let mut told = list::to_json(&explanation.listed);
    let answers: Vec<Value> = explanation
        .answers
        .iter()
        .map(|answered| {
            let reference = answered.reference.to_string();
            let latency_ms = milliseconds(answered.latency);
            match &answered.answer {
                Told::Found { version } => json!({ "reference": reference, "answer": "found",
                    "version": version, "latency_ms": latency_ms }),
                Told::Miss => json!({ "reference": reference, "answer": "not_found",
                    "latency_ms": latency_ms }),
                Told::Failed { error, goes_on } => json!({ "reference": reference,
                    "answer": "failed", "error": error.to_string(), "goes_on": goes_on,
                    "latency_ms": latency_ms }),
            }
        })
        .collect();
    told["answers"] = answers.into();
    told["found"] = explanation.error.is_none().into();
    told["error"] = explanation.error.clone().into();
    told
}

fn text(explanation: &Explanation, chain: &[String]) -> String {
    let listed = &explanation.listed;
    let why = if listed.is_bound {
        "its places are bound under secrets.names and asked in that order".to_owned()
    } else {
        format!(
            "it is not bound under secrets.names, so the chain is asked in its order: {}",
            chain.join(", ")
        )
    };
    let mut lines = vec![format!("{}: {why}", listed.name)];
    for (index, place) in listed.places.iter().enumerate() {
        let (reference, answer) = match explanation.answers.get(index) {
            // With the principal in its place.
            Some(answered) => {
                let is_last = index + 1 == listed.places.len();
                (answered.reference.to_string(), answer(answered, is_last))
            }
            None => (place.reference.clone(), "not asked".to_owned()),
        };
        lines.push(format!("  {}. {reference}\n     {answer}", index + 1));
    }
    match &explanation.error {
        Some(error) => lines.push(format!("FAIL  {error}")),
        None => lines.push("ok    a call would get it".to_owned()),
    }
    lines.join("\n")
}

fn answer(answered: &Answered, is_last: bool) -> String {
    let latency = milliseconds(answered.latency);
    match &answered.answer {
        Told::Found { version } => {
            let version = version.as_deref().unwrap_or("-");
            format!("found, version {version}, {latency} ms; nobody after it is asked")
        }
        Told::Miss if is_last => format!("not there, {latency} ms; nobody is left to ask"),
        Told::Miss => format!("not there, {latency} ms; the next is asked"),
        Told::Failed { error, goes_on } => {
            let then = if *goes_on && is_last {
                "`on_error: next` would let the chain go on, but nobody is left to ask"
            } else if *goes_on {
                "`on_error: next` lets the chain go on"
            } else {
                "the chain stops, so that whoever breaks this store cannot choose where the key \
                 comes from"
            };
            format!("failed, {latency} ms: {error}; {then}")
        }
    }
}

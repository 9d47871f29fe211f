//! Reads the whole tree as settings and collects everything that does not fit.
//!
//! After a misfit, the key or value is taken out of the tree and reading starts again, so that one
//! run tells of every mistake. What only follows from taking something out is not told.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::{
    extract::{What, extract},
    later, names,
    report::Finding,
    tree::{Id, Kind, Node},
};
use crate::nearest;

/// How many misfits are looked for; nobody reads more at once.
const MOST: usize = 50;

/// Keys that people write when they mean to paste a secret.
const PASTED: [&str; 8] = [
    "api_key",
    "apikey",
    "key",
    "token",
    "password",
    "secret_id",
    "secret_key",
    "credential",
];

/// The settings in `root`, or everything that does not fit.
pub(super) fn settle<T: DeserializeOwned>(root: &Node) -> (Option<T>, Vec<Finding>) {
    let mut root = root.clone();
    let mut findings = Vec::new();
    let mut touched: HashSet<Id> = HashSet::new();
    for _ in 0..MOST {
        let misfit = match extract::<T>(&root) {
            Ok(settings) => return (Some(settings), findings),
            Err(misfit) => misfit,
        };
        let id = misfit.id.unwrap_or(root.id);
        let follows = touched.contains(&id);
        if !follows {
            findings.push(describe(&root, id, &misfit.what));
        }
        let Some(parent) = root.prune(id) else {
            return (None, findings);
        };
        touched.insert(parent);
    }
    (None, findings)
}

fn describe(root: &Node, id: Id, what: &What) -> Finding {
    let (path, span) = root
        .locate(id)
        .unwrap_or_else(|| (Vec::new(), root.span.clone()));
    let word = root.text_of(id).unwrap_or_default();
    let finding =
        |message: String, help: String| Finding::at(span.clone(), message, help).on(path.clone());
    match what {
        What::UnknownKey(known) => {
            let key = path.last().map_or("", String::as_str);
            if later::is_planned_key(&path) {
                return finding(
                    format!("`{key}` is not in this version of Keyward"),
                    later::HELP.to_owned(),
                );
            }
            finding(unknown("key", key), suggest(key, known))
        }
        What::UnknownChoice(choices) => {
            finding(unknown("choice", &word), suggest(&word, choices)).showing_value()
        }
        What::Missing(field) => finding(
            format!("`{field}` is missing here"),
            format!("add `{field}: …` to this map"),
        ),
        What::WrongType(expected) => {
            let (expected, help) = in_words(expected);
            finding(format!("expected {expected}"), help.to_owned()).showing_value()
        }
        What::Refused(reason) => finding(
            reason.clone(),
            "correct the value at the place marked".to_owned(),
        )
        .showing_value(),
    }
}

fn unknown(what: &str, word: &str) -> String {
    if names::is_plain(word) {
        format!("there is no {what} `{word}` here")
    } else {
        format!("there is no such {what} here")
    }
}

fn suggest(word: &str, known: &[&str]) -> String {
    let hidden = if names::is_plain(word) {
        ""
    } else {
        "; the word is not shown, because it may be a pasted key"
    };
    if PASTED.contains(&word) && !known.contains(&word) {
        return format!(
            "a key is never written here: name its place under `secrets.names`, and replace the \
             key if it stands in this file; known here: {}",
            names::list(known)
        );
    }
    match nearest::meant(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}{hidden}", names::list(known)),
    }
}

/// Serde's word for a type, as an operator would say it, and what to write.
fn in_words(expected: &str) -> (&str, &'static str) {
    const WHOLE: &str = "write digits alone, without quotes, unit or separators";
    match expected {
        "a string" | "a borrowed string" => (
            "text",
            "write one value; put quotes around text that YAML would take for null",
        ),
        "a boolean" => ("`true` or `false`", "write the word without quotes"),
        "u8" | "u16" | "u32" | "u64" | "usize" => ("a whole number, not negative", WHOLE),
        "i8" | "i16" | "i32" | "i64" | "isize" => ("a whole number", WHOLE),
        "f32" | "f64" => ("a number", "write it as in `0.7`, without quotes"),
        "a sequence" => ("a list", "write `[first, second]`, or one `- item` a line"),
        "a map" => ("a map", "write `key: value` lines below it, indented"),
        other if other.starts_with("struct ") => (
            "a map of settings",
            "write `key: value` lines below it, indented",
        ),
        other => (other, "correct the value at the place marked"),
    }
}

impl Node {
    /// The text of the scalar or key `id`.
    fn text_of(&self, id: Id) -> Option<String> {
        match &self.kind {
            Kind::Scalar { text, .. } => (self.id == id).then(|| text.clone()),
            Kind::List(items) => items.iter().find_map(|item| item.text_of(id)),
            Kind::Map(entries) => entries.iter().find_map(|entry| {
                if entry.key_id == id {
                    Some(entry.key.clone())
                } else {
                    entry.value.text_of(id)
                }
            }),
        }
    }
}

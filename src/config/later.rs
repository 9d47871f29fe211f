//! Settings that are planned and not built. They are refused by name, so that an operator who
//! writes `audit:` learns that there is no audit, and is never left to believe there is one.
//!
//! A line goes when its feature comes; a setting that the settings types know never gets here.

use std::time::Duration;

use super::{
    report::Finding,
    tree::{Kind, Node},
};
use crate::settings::parse_duration;

/// Paths (`*` is any one step) that a later version will know.
const KEYS: [&str; 27] = [
    "policy",
    "redaction",
    "audit",
    "workspace",
    "conversations",
    "telemetry",
    "tools",
    "limits",
    "server.admin",
    "server.http.tls",
    "server.http.auth",
    "server.http.oauth",
    "secrets.cache",
    "secrets.ttl",
    "secrets.negative_ttl",
    "secrets.stale_if_error",
    "secrets.names.*.negative_ttl",
    "secrets.names.*.refresh",
    "secrets.names.*.refresh_ahead",
    "secrets.names.*.stale_if_error",
    "secrets.providers.aws.assume_role",
    "secrets.providers.aws.fips",
    "secrets.providers.aws.dual_stack",
    "models.restrictions",
    "models.budgets",
    "models.catalogues",
    "models.providers.*.allowed_models",
];

/// Choices of a setting that a later version will know.
const CHOICES: [(&str, &[&str]); 1] = [(
    "models.providers.*.protocol",
    &[
        "openai-responses",
        "anthropic",
        "gemini",
        "azure",
        "bedrock",
        "vertex",
        "dial",
    ],
)];

/// What is said of each of them.
pub(super) const HELP: &str =
    "remove it: a setting that this version does not enforce is refused, never ignored";

/// Whether the key at `path` is planned.
pub(super) fn is_planned_key(path: &[String]) -> bool {
    KEYS.iter().any(|pattern| matches(pattern, path))
}

/// Whether `word` is a planned choice of the setting at `path`.
pub(super) fn is_planned_choice(path: &[String], word: &str) -> bool {
    CHOICES
        .iter()
        .any(|(pattern, words)| matches(pattern, path) && words.contains(&word))
}

fn matches(pattern: &str, path: &[String]) -> bool {
    let mut steps = path.iter();
    pattern.split('.').all(|wanted| {
        steps
            .next()
            .is_some_and(|step| wanted == "*" || wanted == step)
    }) && steps.next().is_none()
}

/// Refuses a `ttl` other than zero: nothing is cached in this version.
pub(super) fn refuse_ttl(root: &Node) -> Vec<Finding> {
    let Some(names) = child(root, "secrets").and_then(|secrets| child(secrets, "names")) else {
        return Vec::new();
    };
    let Kind::Map(names) = &names.kind else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for name in names {
        let Some(ttl) = child(&name.value, "ttl") else {
            continue;
        };
        let Kind::Scalar { text, .. } = &ttl.kind else {
            continue;
        };
        if ttl.is_null() {
            continue;
        }
        let finding = match parse_duration(text) {
            Ok(Duration::ZERO) => continue,
            Ok(_) => Finding::at(
                ttl.span.clone(),
                "a `ttl` other than `0s` is not in this version of Keyward: nothing is cached",
                "write `ttl: 0s`, or leave it out",
            ),
            Err(expected) => Finding::at(ttl.span.clone(), expected, "write `ttl: 0s`"),
        };
        let steps = ["secrets", "names", &name.key, "ttl"];
        findings.push(
            finding
                .on(steps.map(str::to_owned).to_vec())
                .showing_value(),
        );
    }
    findings
}

fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.kind {
        Kind::Map(entries) => entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value),
        _ => None,
    }
}

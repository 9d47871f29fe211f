//! Settings that are planned and not built. They are refused by name, so that an operator who
//! writes `audit:` learns that there is no audit, and is never left to believe there is one.
//!
//! A line goes when its feature comes; a setting that the settings types know never gets here.

/// Paths (`*` is any one step) that a later version will know.
const KEYS: [&str; 15] = [
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
    "secrets.names.*.refresh",
    "models.budgets",
    "models.catalogues",
];

/// What is said of each of them.
pub(super) const HELP: &str =
    "remove it: a setting that this version does not enforce is refused, never ignored";

/// Whether the key at `path` is planned.
pub(super) fn is_planned_key(path: &[String]) -> bool {
    KEYS.iter().any(|pattern| matches(pattern, path))
}

fn matches(pattern: &str, path: &[String]) -> bool {
    let mut steps = path.iter();
    pattern.split('.').all(|wanted| {
        steps
            .next()
            .is_some_and(|step| wanted == "*" || wanted == step)
    }) && steps.next().is_none()
}

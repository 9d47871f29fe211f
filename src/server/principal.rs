//! Who is behind a transport, as configuration says: one principal for stdio, one for the bearer of
//! the HTTP token.
//!
//! Nobody proves here who they are; that is the transport's matter. A name from here is written
//! into logs and audits and compared by policy, so its form is narrow.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    call::{Principal, PrincipalKind},
    settings::Problem,
};

/// The longest id or group, in bytes.
const MAX_BYTES: usize = 128;

/// The sections `server.stdio.principal` and `server.http.principal`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrincipalSettings {
    /// The name by which policy, audit and restrictions of secrets know them. Default: over
    /// stdio the user of the operating system, over HTTP `http`.
    pub id: Option<String>,
    /// What they belong to, for policy. Default: nothing.
    pub groups: Vec<String>,
    /// What else policy may ask of them. Default: nothing.
    pub claims: Map<String, Value>,
}

impl PrincipalSettings {
    /// The principal, known by `kind`; `id` is their name unless the settings give one.
    #[must_use]
    pub fn principal(&self, kind: PrincipalKind, id: &str) -> Principal {
        Principal {
            id: self.id.clone().unwrap_or_else(|| id.to_owned()),
            kind,
            groups: self.groups.clone(),
            claims: self.claims.clone(),
        }
    }

    /// What is wrong beyond the form of each value; `path` leads to the section.
    pub(super) fn validate(&self, path: &[&str], problems: &mut Vec<Problem>) {
        let mut check = |steps: &[&str], name: &str| {
            if !is_name(name) {
                problems.push(Problem::at(
                    path.iter().chain(steps).copied(),
                    "this is no name of a principal or a group",
                    "write up to 128 letters, digits and other visible characters of ASCII, without \
                     spaces",
                ));
            }
        };
        if let Some(id) = &self.id {
            check(&["id"], id);
        }
        for (index, group) in self.groups.iter().enumerate() {
            check(&["groups", &index.to_string()], group);
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(value: Value) -> PrincipalSettings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn configuration_names_the_principal_and_else_the_transport_does() {
        let named = settings(json!({ "id": "alice", "groups": ["dev"], "claims": { "team": 7 } }));
        let principal = named.principal(PrincipalKind::Local, "root");
        assert_eq!(
            (principal.id.as_str(), principal.kind),
            ("alice", PrincipalKind::Local)
        );
        assert_eq!(
            (principal.groups, principal.claims["team"].clone()),
            (vec!["dev".into()], 7.into())
        );
        assert_eq!(
            settings(json!({}))
                .principal(PrincipalKind::Token, "http")
                .id,
            "http"
        );
    }

    #[test]
    fn what_could_break_a_line_or_a_path_is_no_name() {
        let bad = settings(json!({ "id": "a b", "groups": ["ok", "a\nb", ""] }));
        let mut problems = Vec::new();
        bad.validate(&["server", "stdio", "principal"], &mut problems);
        let paths: Vec<_> = problems
            .iter()
            .map(|problem| problem.path[3..].join("."))
            .collect();
        assert_eq!(paths, ["id", "groups.1", "groups.2"]);
        let long = settings(json!({ "id": "x".repeat(129) }));
        long.validate(&[], &mut problems);
        assert_eq!(problems.len(), 4);
    }
}

//! Keys pasted into the file, as values or as names.
//!
//! A name is repeated by logs, lists and errors all over the house, so a key that passes for a
//! name (a secret's, a model's) must be stopped here, before any room believes it to be one.

use super::{
    report::Finding,
    tree::{Kind, Node},
};

/// What vendors' keys and tokens begin with.
const PREFIXES: [&str; 21] = [
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "AIza",
    "xai-",
    "gsk_",
    "hf_",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "hvs.",
    "hvb.",
    "xoxb-",
    "eyJ",
    "Bearer ",
    "s.",
];

/// Every key-shaped scalar and name below `node`.
pub(super) fn refuse(node: &Node) -> Vec<Finding> {
    let mut findings = Vec::new();
    walk(node, &mut Vec::new(), &mut findings);
    findings
}

fn walk(node: &Node, path: &mut Vec<String>, findings: &mut Vec<Finding>) {
    let finding = |span: &std::ops::Range<usize>, path: &[String]| {
        Finding::at(
            span.clone(),
            "this looks like a key, and no key is ever written here",
            "put it where a secret provider finds it, write its name or reference here, and \
             replace the key, since it stood in a file",
        )
        .on(path.to_vec())
    };
    match &node.kind {
        Kind::Scalar { text, .. } => {
            if is_key_shaped(text) {
                findings.push(finding(&node.span, path));
            }
        }
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                walk(item, path, findings);
                path.pop();
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                path.push(entry.key.clone());
                if is_key_shaped(&entry.key) {
                    findings.push(finding(&entry.key_span, path));
                }
                walk(&entry.value, path, findings);
                path.pop();
            }
        }
    }
}

/// Whether a text has a vendor's prefix, is one long run of letters and digits, or holds one of
/// mixed case.
fn is_key_shaped(text: &str) -> bool {
    let text = text.trim();
    let prefixed = PREFIXES.iter().any(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
            let telling = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
            rest.len() >= 12 && rest.chars().all(part) && rest.contains(telling)
        })
    });
    let run = |run: &str| {
        let digit = run.contains(|c: char| c.is_ascii_digit());
        let upper = run.contains(|c: char| c.is_ascii_uppercase());
        let lower = run.contains(|c: char| c.is_ascii_lowercase());
        // In the midst of a path or an address only what no person would write.
        digit
            && ((run.len() >= 20 && upper && lower) || (run.len() >= 24 && run.len() == text.len()))
    };
    prefixed || text.split(|c: char| !c.is_ascii_alphanumeric()).any(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_names_paths_and_addresses() {
        for key in [
            "sk-proj-CanaryQ7xZ41vW90kLm2",
            "AIzaSyA0123456789abcdef",
            "hvs.CAESIJ0123456789abcdef",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
            "0ca4a12f9b7d4e6f8e1c2a9b7d4e6f0f",
            "http-CanaryQ7xZ41vW90kLm2",
            "https://user:CanaryQ7xZ41vW90kLm2@host/v1",
        ] {
            assert!(is_key_shaped(key), "{key}");
        }
        for harmless in [
            "openai",
            "team-a/openai",
            "sk-team-production",
            "claude-sonnet-4-5-20250929",
            "OPENAI_API_KEY",
            "5c1e0a9b-77d2-4d0e-9a61-2f8f3c1b7e55",
            "vault:secret/ai/openai#api_key",
            "https://api.openai.com/v1",
            "/run/secrets/openai",
            "s.example.internal",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
        ] {
            assert!(!is_key_shaped(harmless), "{harmless}");
        }
    }
}

//! What a key looks like, so that one pasted where a name or a reference belongs is stopped.
//!
//! A name is repeated by logs, lists and errors all over the house. What passes for one is asked
//! here, by every room that reads one, so that no room is more trusting than another. A shape is
//! a guess: it may refuse an odd name, and no room may take its word that a text is harmless.

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

/// Whether a text has a vendor's prefix, is one long run of letters and digits, or holds one of
/// mixed case.
pub(crate) fn looks_like_key(text: &str) -> bool {
    let text = text.trim();
    let run = |run: &str| {
        let digit = run.contains(|c: char| c.is_ascii_digit());
        let upper = run.contains(|c: char| c.is_ascii_uppercase());
        let lower = run.contains(|c: char| c.is_ascii_lowercase());
        // In the midst of a path or an address only what no person would write.
        digit
            && ((run.len() >= 20 && upper && lower) || (run.len() >= 24 && run.len() == text.len()))
    };
    is_prefixed(text) || text.split(|c: char| !c.is_ascii_alphanumeric()).any(run)
}

fn is_prefixed(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
    // `sk-team-production` is a name; keys are not made of small letters alone.
    let telling = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
    PREFIXES.iter().any(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= 12 && rest.chars().all(part) && rest.contains(telling)
        })
    })
}

/// Whether a word, up to its first `-`, `_` or `.`, is what a vendor's keys begin with.
pub(crate) fn is_key_prefix(word: &str) -> bool {
    PREFIXES.iter().any(|prefix| {
        prefix
            .trim_end_matches(['-', '_', '.', ' '])
            .eq_ignore_ascii_case(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_names_paths_and_addresses() {
        for key in [
            "sk-proj-CanaryQ7xZ41vW90kLm2",
            "sk-proj-0123456789abcdef",
            "sk_live_0123456789abcdef",
            "AIzaSyA0123456789abcdef",
            "hvs.CAESIJ0123456789abcdef",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
            "0ca4a12f9b7d4e6f8e1c2a9b7d4e6f0f",
            "http-CanaryQ7xZ41vW90kLm2",
            "https://user:CanaryQ7xZ41vW90kLm2@host/v1",
        ] {
            assert!(looks_like_key(key), "{key}");
        }
        for harmless in [
            "openai",
            "team-a/openai",
            "team-a/openai.v2_x",
            "qwen3:32b",
            "sk-team-production",
            "claude-sonnet-4-5-20250929",
            "OPENAI_API_KEY",
            "5c1e0a9b-77d2-4d0e-9a61-2f8f3c1b7e55",
            "vault:secret/ai/openai#api_key",
            "aws:arn:aws:secretsmanager:eu-central-1:123456789012:secret:ai/openai-AbCdEf",
            "https://api.openai.com/v1",
            "/run/secrets/openai",
            "s.example.internal",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
        ] {
            assert!(!looks_like_key(harmless), "{harmless}");
        }
    }

    #[test]
    fn a_prefix_is_known_without_its_separator_and_in_any_case() {
        for word in ["sk", "hvs", "akia", "AIza", "bearer"] {
            assert!(is_key_prefix(word), "{word}");
        }
        for word in ["", "skill", "openai"] {
            assert!(!is_key_prefix(word), "{word}");
        }
    }
}

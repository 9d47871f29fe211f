//! Which words of a configuration may be shown.
//!
//! Whoever writes a file may paste a key anywhere, also where a name belongs. So a word is shown
//! only if it looks like something a person would name; a wrong guess hides a name, never the
//! other way about.

use crate::key_shape::is_key_prefix;

/// Units, right or wrong, without the `s` of the plural.
const UNITS: [&str; 15] = [
    "m", "h", "d", "w", "y", "us", "ms", "sec", "second", "min", "minute", "hr", "hour", "day",
    "week",
];

/// Whether a word looks like a name: a few short words of lower-case letters, each with at most
/// three digits behind it, joined by `-`, `_`, `.` or `/`.
pub(super) fn is_plain(word: &str) -> bool {
    let segments: Vec<&str> = word.split(['-', '_', '.', '/']).collect();
    word.len() <= 40
        && segments.len() <= 5
        && !is_key_prefix(segments[0])
        && segments.iter().all(|segment| is_plain_segment(segment))
}

fn is_plain_segment(segment: &str) -> bool {
    let letters = segment.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = segment.len() - letters.len();
    !segment.is_empty()
        && letters.len() <= 13
        && digits <= 3
        && letters.chars().all(|c| c.is_ascii_lowercase())
}

/// Whether a refused value is a number or a duration, which may be shown.
pub(super) fn is_quantity(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.len() - unit.len();
    let unit = unit.trim_start_matches(' ').to_ascii_lowercase();
    let one = unit.strip_suffix('s').unwrap_or(&unit);
    (1..=9).contains(&number) && (one.is_empty() || UNITS.contains(&one))
}

/// `a`, `b` and `c`, for a sentence.
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_and_keys_are_not() {
        for name in [
            "openai",
            "team-a/openai",
            "conversations",
            "max_completion_tokens",
            "gpt4",
        ] {
            assert!(is_plain(name), "{name}");
        }
        for key in [
            "",
            "sk-proj-abc",
            "sk-ant-api03-abcdefgh",
            "AIzaSyA0123456789abcdef",
            "xai-abcdef",
            "hvs.caesij",
            "0f8e1c2a9b7d4e6f0f8e1c2a9b7d4e6f",
            "a1b2c3d4e5",
            "AKIAIOSFODNN7EXAMPLE",
            "abcdefghijklmnopqrstuvwxyz",
            "5c1e0a9b-77d2-4d0e-9a61-2f8f3c1b7e55",
        ] {
            assert!(!is_plain(key), "{key}");
        }
    }

    #[test]
    fn quantities_are_short_numbers_with_a_short_unit() {
        for text in ["5", "-1s", "10 minutes", "2.5h", "99999999s", "250ms", "7D"] {
            assert!(is_quantity(text), "{text}");
        }
        for text in ["", "s", "1234567890", "1abc", "7q", "12:34"] {
            assert!(!is_quantity(text), "{text}");
        }
    }
}

//! Email addresses, in the form that people have (RFC 5321, section 4.1.2, without quotes).

use std::ops::Range;

const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 253;

/// What follows `@` in the names of files, not in addresses.
const ENDINGS_OF_FILES: [&[u8]; 12] = [
    b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"ico", b"css", b"js", b"ts", b"json",
    b"html",
];

/// The address around the `@` at `at`, which does not begin before `floor`.
pub(super) fn around(text: &[u8], at: usize, floor: usize) -> Option<Range<usize>> {
    let from = floor.max(at.saturating_sub(MAX_LOCAL));
    let before = text.get(from..at)?;
    let start = before
        .iter()
        .rposition(|&byte| !is_local(byte))
        .map_or(from, |other| from + other + 1);
    // A sentence's or a list's mark before it.
    let marks = text.get(start..at)?.iter();
    let start = start
        + marks
            .take_while(|byte| matches!(byte, b'.' | b'-' | b'+'))
            .count();
    let local = text.get(start..at)?;
    // `git@host:path` is a repository's address.
    if local.is_empty() || local == b"git" {
        return None;
    }
    let end = domain_end(text, at + 1)?;
    Some(start..end)
}

fn domain_end(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let length = rest
        .iter()
        .take(MAX_DOMAIN)
        .position(|&byte| !is_label(byte) && byte != b'.')
        .unwrap_or(rest.len().min(MAX_DOMAIN));
    // A sentence's full stop, or a dash, does not belong to it.
    let domain = rest.get(..length)?;
    let tail = domain.iter().rev();
    let tail = tail.take_while(|byte| matches!(byte, b'.' | b'-')).count();
    let domain = domain.get(..length - tail)?;
    let mut labels = domain.rsplit(|&byte| byte == b'.');
    let top = labels.next()?;
    let is_top = top.len() >= 2
        && top
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
        && !ENDINGS_OF_FILES
            .iter()
            .any(|ending| top.eq_ignore_ascii_case(ending));
    let mut labels = labels.peekable();
    let are_labels = labels.peek().is_some()
        && labels.all(|label| !label.is_empty() && !label.starts_with(b"-"));
    (is_top && are_labels).then_some(from + domain.len())
}

/// Letters of any script count: what is not ASCII belongs to some.
fn is_local(byte: u8) -> bool {
    is_label(byte) || matches!(byte, b'.' | b'_' | b'+' | b'%' | b'\'')
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        around(text.as_bytes(), text.find('@')?, 0).map(|range| &text[range])
    }

    #[test]
    fn addresses_are_found_without_what_stands_around_them() {
        for (text, address) in [
            ("anna@mail.example", "anna@mail.example"),
            ("<anna.b+c@a.b-c.example>.", "anna.b+c@a.b-c.example"),
            ("see ...anna@mail.example.", "anna@mail.example"),
            ("jörg@exämple.de,", "jörg@exämple.de"),
            ("anna@mail.рф", "anna@mail.рф"),
        ] {
            assert_eq!(found(text), Some(address));
        }
    }

    #[test]
    fn other_uses_of_the_sign_are_left_alone() {
        for other in [
            "@types/node",
            "left-pad@1.3.0",
            "left-pad@1.3.10",
            "git@github.com:a/b",
            "icon@2x.png",
            "a@b",
            "a@.b.example",
            "a@b..example",
            "a@-b.example",
            " @ ",
            "***@mail.example",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}

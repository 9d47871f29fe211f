//! The marks that stand where something was redacted, and how they are known again.
//!
//! What is redacted twice must be as if redacted once, so a mark is never itself a find. Only a
//! mark with the id of a rule counts, and only with what we may have written after it: otherwise a
//! secret dressed as a mark would pass.

use std::ops::Range;

use memchr::memmem;

const OPENING: &str = "[redacted";

/// Appends the mark of `rule`, with `rest` of the value or nothing.
pub(super) fn write(rule: &str, rest: &str, out: &mut String) {
    out.push_str(OPENING);
    for part in [rule, rest] {
        if !part.is_empty() {
            out.push(':');
            out.push_str(part);
        }
    }
    out.push(']');
}

/// The marks in `text`, in order.
pub(super) fn find(text: &str, is_rule: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    memmem::find_iter(text.as_bytes(), OPENING)
        .filter_map(|start| {
            let rest = text.get(start + OPENING.len()..)?;
            let length = rest.bytes().take(MAX_BYTES).position(|byte| byte == b']')?;
            let inner = rest.get(..length)?;
            let is_mark = inner.is_empty()
                || inner.strip_prefix(':').is_some_and(|inner| {
                    let (rule, rest) = inner.split_once(':').unwrap_or((inner, ""));
                    is_rule(rule) && is_rest(rest)
                });
            is_mark.then_some(start..start + OPENING.len() + length + 1)
        })
        .collect()
}

/// `text` with nothing to be read in its marks, as long as before.
pub(super) fn blank(text: &str, marks: &[Range<usize>]) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut done = 0;
    for mark in marks {
        blanked.push_str(text.get(done..mark.start).unwrap_or_default());
        blanked.extend(std::iter::repeat_n(BLANK, mark.len()));
        done = mark.end;
    }
    blanked.push_str(text.get(done..).unwrap_or_default());
    blanked
}

/// No rule's value has it.
const BLANK: char = '[';

/// A rule's id is at most 64 bytes, and what follows it 16.
const MAX_BYTES: usize = 96;

/// Nothing, the digits of a hash, or a star and the last four characters.
fn is_rest(rest: &str) -> bool {
    let is_hash = rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_end = rest
        .strip_prefix('*')
        .is_some_and(|end| end.len() == 4 && end.bytes().all(is_kept));
    rest.is_empty() || is_hash || is_end
}

/// What may be kept of a value within a mark.
pub(super) fn is_kept(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_that_we_write_are_known_again() {
        let found = |text: &str| {
            let ranges = find(text, |rule| rule == "jwt");
            ranges
                .into_iter()
                .map(|range| text[range].to_owned())
                .collect::<Vec<_>>()
        };
        for rest in ["", "0123456789abcdef", "*a_-9"] {
            let mut mark = String::new();
            write("jwt", rest, &mut mark);
            assert_eq!(found(&format!("é{mark}é[redacted]")), [&mark, "[redacted]"]);
        }
        assert_eq!(
            blank("[redacted]é[redacted]a", &[0..10, 12..22]),
            "[[[[[[[[[[é[[[[[[[[[[a"
        );
        for forged in [
            "[redacted:other]",
            "[redacted:jwt:0123456789abcdefff]",
            "[redacted:jwt:*abcde]",
            "[redacted:jwt:*ab]",
            "[redacted:jwt",
            "[redacted jwt]",
            "[redacted:é",
        ] {
            assert_eq!(found(forged), [""; 0], "{forged}");
        }
    }
}

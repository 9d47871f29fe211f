//! The source as it may be shown: every letter hidden but those of plain keys, and of the refused
//! value where its kind is harmless.
//!
//! It works by permission: all text is hidden first, then named stretches are uncovered. What the
//! parser did not reach, comments, tags, anchors and block headers stay hidden without a rule of
//! their own. Line breaks and the number of characters are kept, so that places stay true.

use std::ops::Range;

use super::names;

/// What stands for a hidden character.
const HIDDEN: char = '*';

/// A scalar that the parser found, by characters.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// Where it stands, quotes included.
    pub(super) span: Range<usize>,
    /// Whether it is the key of a map.
    pub(super) key: bool,
}

/// Hides `text`, but uncovers plain keys, the punctuation between tokens, and the tokens at
/// `shown`. `complete`: the parser reached the end.
pub(super) fn mask(
    text: &str,
    tokens: &[Token],
    complete: bool,
    shown: &[Range<usize>],
) -> Vec<char> {
    let source: Vec<char> = text.chars().collect();
    let mut masked: Vec<char> = source
        .iter()
        .map(|c| if *c == '\n' { '\n' } else { HIDDEN })
        .collect();
    let mut sorted: Vec<&Token> = tokens.iter().collect();
    sorted.sort_by_key(|token| token.span.start);
    let mut cursor = 0;
    for token in sorted {
        let Range { start, end } = clamp(&token.span, source.len());
        uncover_punctuation(&source, &mut masked, cursor..start);
        let inner: String = source[start..end].iter().collect();
        let bare = bare(&inner);
        let permitted = (token.key && names::is_plain(bare))
            || (shown.contains(&token.span) && (names::is_plain(bare) || names::is_quantity(bare)));
        if permitted {
            masked[start..end].copy_from_slice(&source[start..end]);
        }
        cursor = cursor.max(end);
    }
    if complete {
        uncover_punctuation(&source, &mut masked, cursor..source.len());
    }
    masked
}

fn clamp(span: &Range<usize>, length: usize) -> Range<usize> {
    let end = span.end.min(length);
    span.start.min(end)..end
}

/// The text of a scalar without the quotes around it.
fn bare(scalar: &str) -> &str {
    let unquoted = |quote| {
        scalar
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
    };
    unquoted('"').or_else(|| unquoted('\'')).unwrap_or(scalar)
}

/// Uncovers what structures the text between two tokens. At any other character, the rest of the
/// line stays hidden: it is a comment, a tag, an anchor or a header.
fn uncover_punctuation(source: &[char], masked: &mut [char], gap: Range<usize>) {
    let mut foreign = false;
    for index in gap {
        match source[index] {
            '\n' => foreign = false,
            c @ (' ' | '\t' | ':' | '-' | ',' | '[' | ']' | '{' | '}') if !foreign => {
                masked[index] = c;
            }
            _ => foreign = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, tokens: &[(Range<usize>, bool)], complete: bool) -> String {
        let tokens: Vec<Token> = tokens
            .iter()
            .map(|(span, key)| Token {
                span: span.clone(),
                key: *key,
            })
            .collect();
        mask(text, &tokens, complete, &[]).into_iter().collect()
    }

    #[test]
    fn keys_stay_and_values_and_comments_go() {
        let text = "level: sk-abc # sk-def\n";
        assert_eq!(
            shown(text, &[(0..5, true), (7..13, false)], true),
            "level: ****** ********\n"
        );
    }

    #[test]
    fn a_key_that_is_no_name_goes() {
        assert_eq!(
            shown("sk-abc: x", &[(0..6, true), (8..9, false)], true),
            "******: *"
        );
    }

    #[test]
    fn what_the_parser_did_not_reach_goes_wholly() {
        assert_eq!(shown("a: [b-c, -d", &[(0..1, true)], false), "a**********");
    }
}

//! Text from a record or a path, made fit for a terminal. Clients choose parts of records, and a
//! terminal obeys what it is sent.

/// `text` with everything escaped that is not plainly visible: control characters, and those that
/// turn the direction of text around or take no room (Unicode's `Cf`, as far as it is used so).
pub(super) fn shown(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}'
                    | '\u{fff9}'..='\u{fffb}'
                    | '\u{e0000}'..='\u{e007f}'
            )
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_text_around_is_left() {
        assert_eq!(shown("\u{1b}[2Jhi\r\n"), "\\u{1b}[2Jhi\\u{d}\\u{a}");
        assert_eq!(shown("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(shown("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        assert_eq!(shown("Grüße, 世界 🙂"), "Grüße, 世界 🙂");
    }
}

//! Text in which characters are written as escapes: of URLs (RFC 3986, section 2.1), of JSON
//! strings (RFC 8259, section 7).
//!
//! A word that holds an escape is decoded whole, so that a key in it is seen as it is.

use memchr::memchr2;

use super::decoded::Decoded;

/// How far before an escape its word may begin.
const BEFORE: usize = 256;

/// The words of a text that hold escapes, decoded, in order.
pub(super) struct Words<'t> {
    text: &'t [u8],
    next: usize,
}

impl<'t> Words<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        Self { text, next: 0 }
    }
}

impl Iterator for Words<'_> {
    type Item = Decoded;

    fn next(&mut self) -> Option<Decoded> {
        let floor = self.next;
        let mut at = floor;
        let escape = loop {
            at += memchr2(b'%', b'\\', self.text.get(at..)?)?;
            if Escape::at(self.text, at).is_some() {
                break at;
            }
            at += 1;
        };
        let from = floor.max(escape.saturating_sub(BEFORE));
        let before = self.text.get(from..escape).unwrap_or_default();
        let start = before
            .iter()
            .rposition(u8::is_ascii_whitespace)
            .map_or(from, |space| from + space + 1);
        let behind = self.text.get(escape..).unwrap_or_default();
        let end = behind
            .iter()
            .position(u8::is_ascii_whitespace)
            .map_or(self.text.len(), |space| escape + space);
        self.next = end;
        Some(decode(self.text, start, end))
    }
}

fn decode(text: &[u8], start: usize, end: usize) -> Decoded {
    let text = text.get(..end).unwrap_or(text);
    let mut decoded = Decoded::default();
    // What is as it is begins here.
    let mut plain = start;
    let mut at = start;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'%', b'\\', rest)) {
        at += found;
        let Some(escape) = Escape::at(text, at) else {
            at += 1;
            continue;
        };
        decoded.copy(text.get(plain..at).unwrap_or_default(), plain);
        let mut bytes = [0; 4];
        decoded.replace(escape.bytes(&mut bytes), at, escape.length);
        at += escape.length;
        plain = at;
    }
    decoded.copy(text.get(plain..).unwrap_or_default(), plain);
    decoded
}

struct Escape {
    means: Meaning,
    length: usize,
}

enum Meaning {
    Byte(u8),
    Character(char),
}

impl Escape {
    fn at(text: &[u8], at: usize) -> Option<Self> {
        let rest = text.get(at..)?;
        let (means, length) = match *rest {
            [b'%', high, low, ..] => (Meaning::Byte(hex(&[high, low])? as u8), 3),
            [b'\\', b'u', a, b, c, d, ..] => {
                // One half of a pair tells nothing that a rule could look for.
                let character = char::from_u32(hex(&[a, b, c, d])?).unwrap_or('\u{fffd}');
                (Meaning::Character(character), 6)
            }
            [b'\\', letter, ..] => {
                let byte = match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'f' => 12,
                    b'"' | b'\\' | b'/' => letter,
                    _ => return None,
                };
                (Meaning::Byte(byte), 2)
            }
            _ => return None,
        };
        Some(Self { means, length })
    }

    fn bytes<'b>(&self, buffer: &'b mut [u8; 4]) -> &'b [u8] {
        match self.means {
            Meaning::Byte(byte) => {
                buffer[0] = byte;
                &buffer[..1]
            }
            Meaning::Character(character) => character.encode_utf8(buffer).as_bytes(),
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, &digit| {
        Some(number * 16 + char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Words::of(text.as_bytes())
            .map(|word| String::from_utf8_lossy(word.bytes()).into_owned())
            .collect()
    }

    #[test]
    fn words_with_escapes_are_decoded_and_others_are_not() {
        assert_eq!(
            words(r"plain a%2Db 100% \u0068\/i\n C:\dir %zz x\\y %"),
            ["a-b", "h/i\n", r"x\y"]
        );
        assert_eq!(words(r"\ud83d\ude00%c3%a9"), ["\u{fffd}\u{fffd}é"]);
        assert_eq!(words(r"%4 \u00 \"), [""; 0]);
    }

    #[test]
    fn words_do_not_overlap_and_tell_where_they_came_from() {
        let text = format!("{}%41 b%42", "x".repeat(1_000));
        let words: Vec<Decoded> = Words::of(text.as_bytes()).collect();
        let sources: Vec<_> = words
            .iter()
            .map(|word| word.source(&(0..word.bytes().len())))
            .collect();
        assert_eq!(sources, [744..1_003, 1_004..1_008]);
    }
}

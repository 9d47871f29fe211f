//! Text in which characters are written as escapes: of URLs (RFC 3986, section 2.1), of JSON
//! strings (RFC 8259, section 7).
//!
//! Words that hold escapes are decoded whole, and with what stands just before them, so that a key
//! in them is seen as it is and behind its name.

use memchr::memchr2;

use super::decoded::Decoded;

/// How much before an escape is decoded with it.
const BEFORE: usize = 64;
/// How much more, up to where a word begins.
const WORD: usize = 192;

/// The passages of a text that hold escapes, decoded, in order.
pub(super) struct Passages<'t> {
    text: &'t [u8],
    next: usize,
}

impl<'t> Passages<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        Self { text, next: 0 }
    }

    /// The next escape at `at` or behind it.
    fn escape(&self, mut at: usize) -> Option<usize> {
        loop {
            at += memchr2(b'%', b'\\', self.text.get(at..)?)?;
            if Escape::at(self.text, at).is_some() {
                return Some(at);
            }
            at += 1;
        }
    }

    /// Where the word ends that goes on at `at`.
    fn word_end(&self, at: usize) -> usize {
        let behind = self.text.get(at..).unwrap_or_default();
        let space = behind.iter().position(u8::is_ascii_whitespace);
        space.map_or(self.text.len(), |space| at + space)
    }
}

impl Iterator for Passages<'_> {
    type Item = Decoded;

    fn next(&mut self) -> Option<Decoded> {
        let floor = self.next;
        let escape = self.escape(floor)?;
        let from = floor.max(escape.saturating_sub(BEFORE));
        let word = floor.max(from.saturating_sub(WORD));
        let before = self.text.get(word..from).unwrap_or_default();
        let start = before
            .iter()
            .rposition(u8::is_ascii_whitespace)
            .map_or(word, |space| word + space + 1);
        let mut end = self.word_end(escape);
        while let Some(next) = self.escape(end).filter(|next| next - end <= BEFORE) {
            end = self.word_end(next);
        }
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

    fn passages(text: &str) -> Vec<String> {
        Passages::of(text.as_bytes())
            .map(|passage| String::from_utf8_lossy(passage.bytes()).into_owned())
            .collect()
    }

    #[test]
    fn passages_with_escapes_are_decoded_with_what_stands_before() {
        let far = "x ".repeat(80);
        assert_eq!(passages("key: %41%42 c"), ["key: AB"]);
        assert_eq!(passages(r"a %41 \u0042 c \/d e"), ["a A B c /d"]);
        assert_eq!(passages(&format!("%41 {far}{far}%42"))[0], "A");
        assert_eq!(
            passages(&format!("{far}k%65y = %41")),
            [format!("{}key = A", "x ".repeat(32))]
        );
        assert_eq!(passages(r"\ud83d\ude00%c3%a9\n"), ["\u{fffd}\u{fffd}é\n"]);
        assert_eq!(passages(r#"\"\\\/\b\f\n\r\t"#), ["\"\\/\u{8}\u{c}\n\r\t"]);
        for plain in [r"%4 \u00 \", r"C:\dir 100% %zz", ""] {
            assert_eq!(passages(plain), [""; 0], "{plain}");
        }
    }

    #[test]
    fn passages_do_not_overlap_and_tell_where_they_came_from() {
        let text = format!("{}%41 {} b%42", "x".repeat(1_000), "y".repeat(300));
        let passages: Vec<Decoded> = Passages::of(text.as_bytes()).collect();
        let sources: Vec<_> = passages
            .iter()
            .map(|passage| passage.source(&(0..passage.bytes().len())))
            .collect();
        assert_eq!(sources, [744..1_003, 1_050..1_309]);
    }
}

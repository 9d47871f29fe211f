//! The filter that keeps this call's key out of the answer, in case a vendor echoes it.
//!
//! It redacts every run of 16 consecutive bytes of the key or more (the whole key, where it is
//! shorter), so a key that is quoted in part is caught as well as one quoted whole. It knows the
//! key as it is, percent-encoded (either case), JSON-escaped (`\/`, `\u002d`), any mixture of
//! these, and base64 in both alphabets at every alignment; of base64, the up to four bits that
//! share a character with a neighbour may stay. It works across pieces: text that may yet become
//! a hit is held back, at most as much as one written key.
//!
//! There are no stored needles, because each would be one more copy of the key in memory: text
//! is compared with the key where it lies. It does not stop an upstream that means to leak a key
//! it was sent and, say, spells it: such an upstream could as well use it.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::secrets::Secret;

/// What stands where a key stood.
const MARK: &str = "[redacted]";
/// The shortest piece of a key that counts.
const PIECE_BYTES: usize = 16;
/// Whole base64 characters within any 16 bytes.
const PIECE_SEXTETS: usize = 20;
/// Shorter "keys" are words of ordinary text, and no secret.
const SHORTEST_KEY: usize = 4;

/// A filter for one call. It holds the key, so it must end with the call.
pub(super) struct KeyFilter {
    key: Option<Arc<Secret>>,
    held: Zeroizing<String>,
}

impl KeyFilter {
    /// A filter for `key`; without one, everything passes.
    pub(super) fn new(key: Option<Arc<Secret>>) -> Self {
        Self {
            key,
            held: Zeroizing::default(),
        }
    }

    /// Takes the next piece of text and appends to `out` what can no longer be part of a hit.
    pub(super) fn push(&mut self, text: &str, out: &mut String) {
        self.advance(text, false, out);
    }

    /// Appends what was held back: the text has ended.
    pub(super) fn finish(&mut self, out: &mut String) {
        self.advance("", true, out);
    }

    /// Whether `text`, taken alone, holds a piece of the key.
    pub(super) fn would_redact(&self, text: &str) -> bool {
        self.key.as_ref().is_some_and(|key| {
            let mut out = String::new();
            key.expose(|key| scan(key, text, true, &mut out));
            out != text
        })
    }

    fn advance(&mut self, text: &str, last: bool, out: &mut String) {
        let Some(key) = &self.key else {
            out.push_str(text);
            return;
        };
        self.held.push_str(text);
        let decided = key.expose(|key| scan(key, &self.held, last, out));
        self.held.drain(..decided);
    }
}

/// Appends to `out` what is decided of `text` and returns how many bytes that was.
fn scan(key: &[u8], text: &str, last: bool, out: &mut String) -> usize {
    if key.len() < SHORTEST_KEY {
        out.push_str(text);
        return text.len();
    }
    let bytes = text.as_bytes();
    // A written key has only visible ASCII in it, in whichever form: words are looked at one by
    // one, and those too short to hold a piece are passed over.
    let shortest = PIECE_BYTES.min(key.len());
    let (mut passed, mut at) = (0, 0);
    while at < bytes.len() {
        if !bytes[at].is_ascii_graphic() {
            at += 1;
            continue;
        }
        let length = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_graphic())
            .count();
        let end = at + length;
        let open = end == bytes.len() && !last;
        while at < end {
            let word = &bytes[at..end];
            if !open && word.len() < shortest {
                at = end;
                break;
            }
            match longest_hit(key, word, open) {
                Hit::None => at += 1,
                Hit::Undecided => {
                    out.push_str(&text[passed..at]);
                    return at;
                }
                Hit::Of(length) => {
                    out.push_str(&text[passed..at]);
                    out.push_str(MARK);
                    at += length;
                    passed = at;
                }
            }
        }
    }
    out.push_str(&text[passed..]);
    bytes.len()
}

/// What begins at a place in the text.
enum Hit {
    None,
    /// A piece of the key, this many bytes of text long.
    Of(usize),
    /// What follows the text will tell.
    Undecided,
}

/// How far text agrees with the key from some place in it.
struct Agreement {
    /// Bytes or sextets of the key.
    units: usize,
    /// Bytes of text.
    length: usize,
    /// Whether the text ended before either the key did or they disagreed.
    text_ended: bool,
}

fn longest_hit(key: &[u8], text: &[u8], open: bool) -> Hit {
    let mut longest = 0;
    let plain = PIECE_BYTES.min(key.len());
    for start in 0..key.len() {
        for escapes in Escapes::READINGS {
            let agreed = agree_escaped(&key[start..], text, escapes, open);
            if agreed.text_ended && open {
                return Hit::Undecided;
            }
            if agreed.units >= plain {
                longest = longest.max(agreed.length);
            }
        }
    }
    let bits = key.len() * 8;
    let sextets = PIECE_SEXTETS.min((bits - 4) / 6);
    // A character of base64 begins at every second bit of the key, by what stands before it.
    for bit in (0..bits - 5).step_by(2) {
        let agreed = agree_base64(key, bit, text);
        if agreed.text_ended && open {
            return Hit::Undecided;
        }
        if agreed.units >= sextets {
            longest = longest.max(agreed.length);
        }
    }
    if longest == 0 {
        Hit::None
    } else {
        Hit::Of(longest)
    }
}

fn agree_escaped(key: &[u8], text: &[u8], escapes: Escapes, open: bool) -> Agreement {
    let mut length = 0;
    for (units, byte) in key.iter().enumerate() {
        match written(*byte, &text[length..], escapes, open) {
            Written::As(bytes) => length += bytes,
            Written::Otherwise => {
                return Agreement {
                    units,
                    length,
                    text_ended: false,
                };
            }
            Written::TooShort => {
                return Agreement {
                    units,
                    length,
                    text_ended: true,
                };
            }
        }
    }
    Agreement {
        units: key.len(),
        length,
        text_ended: false,
    }
}

/// Which escapes a reading of the text knows. A key may itself hold a `%` or a backslash, so a
/// text can be read in more than one way, and each is tried.
#[derive(Clone, Copy)]
struct Escapes {
    percent: bool,
    backslash: bool,
}

impl Escapes {
    const READINGS: [Self; 4] = [
        Self {
            percent: false,
            backslash: false,
        },
        Self {
            percent: true,
            backslash: false,
        },
        Self {
            percent: false,
            backslash: true,
        },
        Self {
            percent: true,
            backslash: true,
        },
    ];
}

/// How a byte of the key stands at the beginning of a text.
enum Written {
    As(usize),
    Otherwise,
    TooShort,
}

fn written(byte: u8, text: &[u8], escapes: Escapes, open: bool) -> Written {
    let hex = |digits: &[u8]| {
        digits.iter().try_fold(0, |value, digit| {
            char::from(*digit)
                .to_digit(16)
                .map(|digit| value * 16 + digit)
        })
    };
    let is_byte = |digits: &[u8]| hex(digits) == Some(u32::from(byte));
    let Escapes { percent, backslash } = escapes;
    match text {
        [] => Written::TooShort,
        [b'%', a, b, ..] if percent && is_byte(&[*a, *b]) => Written::As(3),
        [b'\\', b'u', a, b, c, d, ..] if backslash && is_byte(&[*a, *b, *c, *d]) => Written::As(6),
        [b'\\', escaped, ..] if backslash && *escaped == byte && b"\"\\/".contains(escaped) => {
            Written::As(2)
        }
        // What looks like the beginning of an escape is one only if more may follow.
        [b'%', rest @ ..] if percent && open && rest.len() < 2 && hex(rest).is_some() => {
            Written::TooShort
        }
        [b'\\'] if backslash && open => Written::TooShort,
        [b'\\', b'u', rest @ ..] if backslash && open && rest.len() < 4 && hex(rest).is_some() => {
            Written::TooShort
        }
        [first, ..] if *first == byte => Written::As(1),
        _ => Written::Otherwise,
    }
}

fn agree_base64(key: &[u8], from_bit: usize, text: &[u8]) -> Agreement {
    let mut length = 0;
    let mut bit = from_bit;
    while bit + 6 <= key.len() * 8 {
        match text.get(length) {
            None => {
                return Agreement {
                    units: length,
                    length,
                    text_ended: true,
                };
            }
            Some(character) if sextet_of(*character) == Some(sextet_at(key, bit)) => length += 1,
            Some(_) => break,
        }
        bit += 6;
    }
    Agreement {
        units: length,
        length,
        text_ended: false,
    }
}

/// The six bits of the key from `bit` on.
fn sextet_at(key: &[u8], bit: usize) -> u8 {
    let next = key.get(bit / 8 + 1).copied().unwrap_or_default();
    let pair = u16::from_be_bytes([key[bit / 8], next]);
    ((pair >> (10 - bit % 8)) & 0x3f) as u8
}

/// What a character means in base64, in either alphabet.
fn sextet_of(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

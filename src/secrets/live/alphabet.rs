//! The alphabets in which a key is written: bytes, base64 and hexadecimal.
//!
//! Apart because a key that is cut up and a text that is read must agree on them. A key is handed
//! on unit by unit, straight from where it lies; nothing here may collect what it yields.

/// A way to write a key in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// As it is: a unit is a byte.
    Plain,
    /// A unit is six bits.
    Base64,
    /// A unit is four bits.
    Hexadecimal,
}

impl Alphabet {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Base64, Self::Hexadecimal];

    /// What a character means: which unit, if it means any. Of plain characters case does not
    /// count.
    pub(super) fn unit(self, character: u8) -> Option<u8> {
        match self {
            Self::Plain => Some(character.to_ascii_lowercase()),
            Self::Base64 => sextet(character),
            Self::Hexadecimal => nibble(character),
        }
    }
}

/// What a character means in base64, in either alphabet of RFC 4648, sections 4 and 5.
fn sextet(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// What a character means in hexadecimal.
pub(super) fn nibble(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

/// The last two characters of base64: RFC 4648, section 4.
const STANDARD: [u8; 2] = *b"+/";
/// And in the alphabet for addresses and file names: RFC 4648, section 5.
const URL_SAFE: [u8; 2] = *b"-_";

/// The units of the key as it is.
pub(super) fn bytes(key: &[u8]) -> impl Iterator<Item = u8> + Clone {
    key.iter().map(u8::to_ascii_lowercase)
}

/// The units of the key in base64, once for each alignment: a character begins at every second bit
/// of the key, by what stands before it, and those that follow one another are six bits apart.
pub(super) fn sextets(key: &[u8]) -> [impl Iterator<Item = u8> + Clone; 3] {
    [0, 2, 4].map(|first| {
        let bits = first..(key.len() * 8).saturating_sub(5);
        bits.step_by(6).map(move |bit| sextet_at(key, bit))
    })
}

/// The units of the key in hexadecimal.
pub(super) fn nibbles(key: &[u8]) -> impl Iterator<Item = u8> + Clone {
    key.iter().flat_map(|byte| [byte >> 4, byte & 15])
}

/// Sextets as they are written, in both alphabets.
pub(super) fn base64(sextets: impl Iterator<Item = u8> + Clone) -> [impl Iterator<Item = u8>; 2] {
    [STANDARD, URL_SAFE].map(|last| {
        sextets.clone().map(move |sextet| match sextet {
            0..=25 => b'A' + sextet,
            26..=51 => b'a' + (sextet - 26),
            52..=61 => b'0' + (sextet - 52),
            62 => last[0],
            _ => last[1],
        })
    })
}

/// Nibbles as they are written.
pub(super) fn hexadecimal(nibbles: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    nibbles.map(|nibble| match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + (nibble - 10),
    })
}

/// The six bits of the key from `bit` on.
fn sextet_at(key: &[u8], bit: usize) -> u8 {
    let byte = |at: usize| u16::from(key.get(at).copied().unwrap_or_default());
    let pair = byte(bit / 8) << 8 | byte(bit / 8 + 1);
    (pair >> (10 - bit % 8) & 0x3f) as u8
}

//! Reading text character by character, with the escapes of addresses and of JSON undone.
//!
//! Apart because a text can be read in more than one way: a key may itself hold a `%` or a
//! backslash, so each reading is tried. One character is read at a time and never put next to
//! another: decoded text in a row would be a copy of a key.

use super::alphabet::nibble;

/// Which escapes a reading knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Escapes {
    /// `%2f`: RFC 3986, section 2.1.
    pub(super) percent: bool,
    /// `\u002f`, `\/`, `\n` and so on: RFC 8259, section 7.
    pub(super) backslash: bool,
}

impl Escapes {
    /// The plain one first: what it meets tells whether the others differ.
    pub(super) const READINGS: [Self; 4] = [
        Self::of(false, false),
        Self::of(true, false),
        Self::of(false, true),
        Self::of(true, true),
    ];

    pub(super) const fn of(percent: bool, backslash: bool) -> Self {
        Self { percent, backslash }
    }

    /// Whether it undoes nothing that `other` does not undo.
    pub(super) fn within(self, other: Self) -> bool {
        (other.percent || !self.percent) && (other.backslash || !self.backslash)
    }

    /// Takes note of what `text` may begin with.
    pub(super) fn meet(&mut self, text: &[u8]) {
        let first = text.first();
        self.percent |= first == Some(&b'%');
        self.backslash |= first == Some(&b'\\');
    }
}

/// What a text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// This character, in so many bytes of text.
    Of(u8, usize),
    /// What follows the text will tell, or the text has ended.
    TooShort,
}

/// The first character of `text`; with `open`, more text may follow. What looks like the beginning
/// of an escape is one only if it is whole, or if more may follow.
#[inline]
pub(super) fn first(text: &[u8], escapes: Escapes, open: bool) -> Read {
    match text {
        [] => Read::TooShort,
        [b'%', rest @ ..] if escapes.percent => match rest {
            [a, b, ..] => pair(*a, *b).map_or(Read::Of(b'%', 1), |byte| Read::Of(byte, 3)),
            _ if open && are_nibbles(rest) => Read::TooShort,
            _ => Read::Of(b'%', 1),
        },
        [b'\\', rest @ ..] if escapes.backslash => match rest {
            // From 128 on, the character that four digits name is not one byte.
            [b'u', b'0', b'0', a @ b'0'..=b'7', b, ..] => {
                pair(*a, *b).map_or(Read::Of(b'\\', 1), |byte| Read::Of(byte, 6))
            }
            [b'u', digits @ ..] if digits.len() < 4 && open && are_nibbles(digits) => {
                Read::TooShort
            }
            [] if open => Read::TooShort,
            [letter, ..] => short(*letter).map_or(Read::Of(b'\\', 1), |byte| Read::Of(byte, 2)),
            [] => Read::Of(b'\\', 1),
        },
        [byte, ..] => Read::Of(*byte, 1),
    }
}

/// The byte that two hexadecimal digits say.
#[inline]
fn pair(high: u8, low: u8) -> Option<u8> {
    Some(nibble(high)? << 4 | nibble(low)?)
}

fn are_nibbles(digits: &[u8]) -> bool {
    digits.iter().all(|digit| nibble(*digit).is_some())
}

/// What follows a backslash in JSON's short escapes.
fn short(letter: u8) -> Option<u8> {
    match letter {
        b'"' | b'\\' | b'/' => Some(letter),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'b' => Some(8),
        b'f' => Some(12),
        _ => None,
    }
}

/// The first eight bytes of `text`, if it has so many.
pub(super) fn eight(text: &[u8]) -> Option<u64> {
    text.first_chunk().copied().map(u64::from_le_bytes)
}

/// How many of eight bytes stand before the first one that an escape may begin with.
pub(super) fn plain(eight: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The lowest byte that is zero borrows into its highest bit, which was not set.
    let equal = |character| {
        let zero = eight ^ (u64::from(character) * ONES);
        zero.wrapping_sub(ONES) & !zero & (ONES << 7)
    };
    let found: u64 = equal(b'%') | equal(b'\\');
    found.trailing_zeros() as usize / 8
}

//! What the filter remembers of a key: fingerprints of its pieces, by which a piece is recognised
//! in a text without a look at the key.
//!
//! Apart from the filter because it decides nothing about what to do with a hit. It must never hold
//! bytes of the key, nor put decoded text in a row: both would be copies of it. A fingerprint is a
//! polynomial over a random base, hashed with a random key, both of this call only.
//!
//! At each byte of a text at most [`PIECE_BYTES`] characters are read for each reading of escapes,
//! and [`PIECE_SEXTETS`] as base64, whatever the length of the key; as a rule four of either.

#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::{
    hash::{BuildHasher, RandomState},
    iter,
};

use zeroize::Zeroizing;

/// The shortest piece of a key that counts.
const PIECE_BYTES: usize = 16;
/// Whole base64 characters within any 16 bytes.
const PIECE_SEXTETS: usize = 20;
/// Shorter "keys" are words of ordinary text, and no secret.
const SHORTEST_KEY: usize = 4;
/// So many characters are read before it is known whether any piece begins with them.
const GRAM: usize = 4;
/// Possible beginnings, each a bit.
const BEGINNINGS: usize = 1 << 16;
/// The Mersenne prime that polynomials are taken by.
const PRIME: u64 = (1 << 61) - 1;

/// The pieces of one key.
pub(super) struct Index {
    plain: Pieces,
    base64: Pieces,
    base: u64,
    hasher: RandomState,
    /// Characters read and fingerprints compared so far.
    #[cfg(test)]
    pub(super) work: AtomicU64,
}

/// What begins at a place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No piece of the key.
    None,
    /// A piece of the key, this many bytes of text long.
    Of(usize),
    /// What follows the text will tell.
    Undecided,
}

impl Index {
    /// The index of `key`, unless that is too short to be a secret.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        if key.len() < SHORTEST_KEY {
            return None;
        }
        let hasher = RandomState::new();
        let base = hasher.hash_one("base") % (PRIME - 256) + 256;
        let bits = key.len() * 8;
        // A character of base64 begins at every second bit of the key, by what stands before it;
        // the characters that follow one another are six bits apart.
        let sextets = [0, 2, 4].map(|first| {
            (first..bits - 5)
                .step_by(6)
                .map(move |bit| sextet_at(key, bit))
        });
        Some(Self {
            plain: Pieces::of(
                PIECE_BYTES.min(key.len()),
                [key.iter().copied()],
                base,
                &hasher,
            ),
            base64: Pieces::of(PIECE_SEXTETS.min((bits - 4) / 6), sextets, base, &hasher),
            base,
            hasher,
            #[cfg(test)]
            work: AtomicU64::new(0),
        })
    }

    /// Which piece of the key `text` begins with; with `open`, more text may follow.
    pub(super) fn find(&self, text: &[u8], open: bool) -> Found {
        let mut longest = Found::None;
        let (mut percent, mut backslash) = (false, false);
        for escapes in Escapes::READINGS {
            // Where the plain reading met no such character, the others read the same.
            if (escapes.percent && !percent) || (escapes.backslash && !backslash) {
                continue;
            }
            let found = self.walk(&self.plain, text, open, |text| {
                percent |= text.first() == Some(&b'%');
                backslash |= text.first() == Some(&b'\\');
                escaped(text, escapes, open)
            });
            match found {
                Found::Undecided => return found,
                Found::None => {}
                Found::Of(_) => longest = longer(longest, found),
            }
        }
        let found = self.walk(&self.base64, text, open, |text| match text.first() {
            None => Unit::TooShort,
            Some(character) => {
                sextet_of(*character).map_or(Unit::Otherwise, |unit| Unit::Of(unit, 1))
            }
        });
        if found == Found::Undecided {
            found
        } else {
            longer(longest, found)
        }
    }

    fn walk(
        &self,
        pieces: &Pieces,
        text: &[u8],
        open: bool,
        mut unit: impl FnMut(&[u8]) -> Unit,
    ) -> Found {
        let (mut print, mut length) = (0, 0);
        for count in 1..=pieces.units {
            self.count(1);
            match unit(&text[length..]) {
                Unit::TooShort if open => return Found::Undecided,
                Unit::TooShort | Unit::Otherwise => return Found::None,
                Unit::Of(unit, bytes) => {
                    print = extended(print, unit, self.base);
                    length += bytes;
                }
            }
            if count == GRAM && !pieces.may_begin(print) {
                return Found::None;
            }
        }
        self.count(pieces.prints.len().ilog2());
        let print = self.hasher.hash_one(print);
        match pieces.prints.binary_search(&print) {
            Ok(_) => Found::Of(length),
            Err(_) => Found::None,
        }
    }

    /// All that is kept.
    #[cfg(test)]
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        let pieces = [&self.plain, &self.base64].into_iter();
        pieces.flat_map(|pieces| {
            pieces
                .beginnings
                .iter()
                .chain(pieces.prints.iter())
                .copied()
        })
    }

    #[cfg(test)]
    fn count(&self, work: u32) {
        self.work.fetch_add(work.into(), Ordering::Relaxed);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "in tests it counts")]
    fn count(&self, _: u32) {}
}

fn longer(one: Found, other: Found) -> Found {
    match (one, other) {
        (Found::Of(one), Found::Of(other)) => Found::Of(one.max(other)),
        (Found::None, found) | (found, _) => found,
    }
}

/// Pieces of one length, in units of one kind: bytes or sextets.
struct Pieces {
    units: usize,
    /// Which fingerprints of [`GRAM`] units begin a piece, as far as a few bits tell.
    beginnings: Zeroizing<Vec<u64>>,
    /// The hashed fingerprints of all pieces, sorted.
    prints: Zeroizing<Vec<u64>>,
}

impl Pieces {
    fn of<C>(
        units: usize,
        chains: impl IntoIterator<Item = C>,
        base: u64,
        hasher: &RandomState,
    ) -> Self
    where
        C: Iterator<Item = u8> + Clone,
    {
        let mut beginnings = Zeroizing::new(vec![0; BEGINNINGS / 64]);
        let mut prints = Zeroizing::new(Vec::new());
        for chain in chains {
            for print in windows(chain.clone(), GRAM, base) {
                let (word, bit) = place(print);
                beginnings[word] |= bit;
            }
            prints.extend(windows(chain, units, base).map(|print| hasher.hash_one(print)));
        }
        prints.sort_unstable();
        Self {
            units,
            beginnings,
            prints,
        }
    }

    fn may_begin(&self, print: u64) -> bool {
        let (word, bit) = place(print);
        self.beginnings[word] & bit != 0
    }
}

fn place(print: u64) -> (usize, u64) {
    let bit = (print % BEGINNINGS as u64) as usize;
    (bit / 64, 1 << (bit % 64))
}

/// The fingerprints of all rows of `units` units in `chain`, each at the cost of a few products.
fn windows(
    chain: impl Iterator<Item = u8> + Clone,
    units: usize,
    base: u64,
) -> impl Iterator<Item = u64> {
    let power = iter::repeat_n(base, units).fold(1, product);
    let (mut ahead, mut ahead_units) = (0, chain.clone());
    for unit in ahead_units.by_ref().take(units - 1) {
        ahead = extended(ahead, unit, base);
    }
    let mut behind = 0;
    ahead_units.zip(chain).map(move |(next, left)| {
        ahead = extended(ahead, next, base);
        let print = (ahead + PRIME - product(behind, power)) % PRIME;
        behind = extended(behind, left, base);
        print
    })
}

/// The fingerprint of a row of units with one more.
fn extended(print: u64, unit: u8, base: u64) -> u64 {
    // Counted from 1, so that a zero is not the same as none.
    (product(print, base) + u64::from(unit) + 1) % PRIME
}

fn product(one: u64, other: u64) -> u64 {
    let wide = u128::from(one) * u128::from(other);
    // Both halves are below 2^61.
    let (low, high) = (wide as u64 & PRIME, (wide >> 61) as u64);
    (low + high) % PRIME
}

/// Which escapes a reading of the text knows. A key may itself hold a `%` or a backslash, so a
/// text can be read in more than one way, and each is tried.
#[derive(Clone, Copy)]
struct Escapes {
    percent: bool,
    backslash: bool,
}

impl Escapes {
    /// The plain one first: it tells whether the others differ.
    const READINGS: [Self; 4] = [
        Self::of(false, false),
        Self::of(true, false),
        Self::of(false, true),
        Self::of(true, true),
    ];

    const fn of(percent: bool, backslash: bool) -> Self {
        Self { percent, backslash }
    }
}

/// What a text begins with.
enum Unit {
    /// This unit, in so many bytes of text.
    Of(u8, usize),
    /// Nothing that could be in a written key.
    Otherwise,
    TooShort,
}

fn escaped(text: &[u8], Escapes { percent, backslash }: Escapes, open: bool) -> Unit {
    let hex = |digits: &[u8]| {
        digits.iter().try_fold(0, |value, digit| {
            char::from(*digit)
                .to_digit(16)
                .map(|digit| value * 16 + digit)
        })
    };
    let byte = |digits: &[u8]| hex(digits).and_then(|value| u8::try_from(value).ok());
    let decoded = match text {
        // What looks like the beginning of an escape is one only if more may follow.
        [b'%', rest @ ..] if percent && rest.len() < 2 && open && hex(rest).is_some() => {
            return Unit::TooShort;
        }
        [b'%', a, b, ..] if percent => byte(&[*a, *b]).map(|byte| (byte, 3)),
        [b'\\'] if backslash && open => return Unit::TooShort,
        [b'\\', b'u', rest @ ..] if backslash && rest.len() < 4 && open && hex(rest).is_some() => {
            return Unit::TooShort;
        }
        [b'\\', b'u', a, b, c, d, ..] if backslash => byte(&[*a, *b, *c, *d]).map(|byte| (byte, 6)),
        [b'\\', plain @ (b'"' | b'\\' | b'/'), ..] if backslash => Some((*plain, 2)),
        _ => None,
    };
    match (decoded, text) {
        (Some((byte, length)), _) => Unit::Of(byte, length),
        (None, []) => Unit::TooShort,
        // A written key has only visible ASCII in it, in whichever form.
        (None, [first, ..]) if first.is_ascii_graphic() => Unit::Of(*first, 1),
        (None, _) => Unit::Otherwise,
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

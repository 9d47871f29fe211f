//! A key that is remembered: what is kept of it, and how it is cut into that.
//!
//! Apart from the group because a group is many keys and has none of them at hand: only here is a
//! key seen whole, once. It must never be copied, nor be put together again from its parts: what
//! is made here are hashes, and they are sorted, so that their order says nothing either.

use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use super::{
    alphabet::{self, Alphabet},
    fingerprint::Fingerprints,
    pieces::{Owner, Piece},
};

/// The shortest piece of a key that counts, where the key is not shorter.
pub(super) const PIECE_BYTES: usize = 16;
/// Whole base64 characters within any 16 bytes.
const PIECE_SEXTETS: usize = 20;
/// Sets a bit that tells upper from lower case in each of eight letters. It makes a few other
/// characters alike as well, which a gate may do.
const COARSE: u64 = 0x2020_2020_2020_2020;
/// The time of use of a key that is about to be forgotten.
const RETIRED: u64 = u64::MAX;

/// What the keys of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// How many characters make a gram, by which the gate knows the pieces. At most eight.
    pub(super) gram: usize,
    /// How far apart the places are at which a scan looks for a gram. Not less than `gram`.
    pub(super) stride: usize,
}

impl Shape {
    /// For keys of 16 bytes and more.
    pub(super) const LONG: Self = Self::of(PIECE_BYTES);
    /// For keys of 8 to 15 bytes.
    pub(super) const SHORT: Self = Self::of(8);
    /// For keys of 4 to 7 bytes.
    pub(super) const TINY: Self = Self::of(4);

    /// For keys of `shortest` bytes and more. In a row of so many characters are
    /// `shortest - gram + 1` grams, so one of them begins at one of the places of a scan.
    const fn of(shortest: usize) -> Self {
        let (gram, places) = (shortest / 2, shortest - shortest / 2 + 1);
        Self {
            gram,
            stride: if places < 8 { places } else { 8 },
        }
    }

    /// The first of these eight characters, as a gram.
    pub(super) fn gram(self, eight: u64) -> u64 {
        (eight | COARSE) & u64::MAX >> (64 - 8 * self.gram)
    }
}

/// A key that belongs to a group.
pub(super) struct Member {
    pub(super) owner: Owner,
    /// How long it is.
    pub(super) bytes: usize,
    /// When it was last handed out, or [`RETIRED`].
    used: AtomicU64,
    /// The hashes of its grams in each alphabet, sorted.
    grams: [Zeroizing<Vec<u32>>; 3],
}

impl Member {
    pub(super) fn of(
        key: &[u8],
        owner: Owner,
        now: u64,
        shape: Shape,
        fingerprints: &Fingerprints,
    ) -> Self {
        Self {
            owner,
            bytes: key.len(),
            used: AtomicU64::new(now),
            grams: Alphabet::ALL.map(|alphabet| grams(alphabet, key, shape, fingerprints)),
        }
    }

    /// The hashes of its grams.
    pub(super) fn grams(&self) -> impl Iterator<Item = (Alphabet, u32)> {
        let each = Alphabet::ALL.into_iter().zip(&self.grams);
        each.flat_map(|(alphabet, grams)| grams.iter().map(move |gram| (alphabet, *gram)))
    }

    /// Its pieces in one alphabet. `key` is the key that it is of.
    pub(super) fn pieces(
        &self,
        alphabet: Alphabet,
        key: &[u8],
        fingerprints: &Fingerprints,
    ) -> Zeroizing<Vec<Piece>> {
        let units = self.units(alphabet);
        let of = |sealed| Piece::of(sealed, self.owner);
        Zeroizing::new(match alphabet {
            Alphabet::Plain => fingerprints
                .windows(alphabet::bytes(key), units, 1)
                .map(of)
                .collect(),
            Alphabet::Base64 => alphabet::sextets(key)
                .into_iter()
                .flat_map(|chain| fingerprints.windows(chain, units, 1))
                .map(of)
                .collect(),
            Alphabet::Hexadecimal => fingerprints
                .windows(alphabet::nibbles(key), units, 2)
                .map(of)
                .collect(),
        })
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes note that it is handed out, unless it is retired.
    pub(super) fn touch(&self, now: u64) -> bool {
        let later = |used| (used != RETIRED).then_some(now);
        let touched = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        touched.is_ok()
    }

    /// Retires it, unless it was handed out since `used`: from then on it is not known any more,
    /// though texts may still be compared with it for a moment.
    pub(super) fn retire(&self, used: u64) -> bool {
        let retired =
            self.used
                .compare_exchange(used, RETIRED, Ordering::Relaxed, Ordering::Relaxed);
        retired.is_ok()
    }

    /// How many units its pieces have.
    pub(super) fn units(&self, alphabet: Alphabet) -> usize {
        match alphabet {
            Alphabet::Plain => PIECE_BYTES.min(self.bytes),
            Alphabet::Base64 => PIECE_SEXTETS.min((self.bytes * 8 - 4) / 6),
            Alphabet::Hexadecimal => 2 * PIECE_BYTES.min(self.bytes),
        }
    }
}

/// The hashes of all grams of `key` in one alphabet, sorted.
fn grams(
    alphabet: Alphabet,
    key: &[u8],
    shape: Shape,
    fingerprints: &Fingerprints,
) -> Zeroizing<Vec<u32>> {
    let mut hashes = Zeroizing::new(Vec::new());
    match alphabet {
        Alphabet::Plain => {
            hashes.extend(hashes_of(key.iter().copied(), shape, fingerprints));
        }
        Alphabet::Base64 => {
            for written in alphabet::sextets(key)
                .into_iter()
                .flat_map(alphabet::base64)
            {
                hashes.extend(hashes_of(written, shape, fingerprints));
            }
        }
        Alphabet::Hexadecimal => {
            let written = alphabet::hexadecimal(alphabet::nibbles(key));
            hashes.extend(hashes_of(written, shape, fingerprints));
        }
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn hashes_of(
    written: impl Iterator<Item = u8>,
    shape: Shape,
    fingerprints: &Fingerprints,
) -> impl Iterator<Item = u32> {
    let last = 8 * (shape.gram - 1);
    let hashes = written.scan(0, move |row, character| {
        *row = *row >> 8 | u64::from(character) << last;
        Some(fingerprints.gram(shape.gram(*row)))
    });
    hashes.skip(shape.gram - 1)
}

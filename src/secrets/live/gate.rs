//! The gate: whether a few written characters can be part of anything known.
//!
//! Apart because all text goes through it, and nearly all of it ends here: one look at one word of
//! a table (a Bloom filter with both of its bits in the same word, of which one tells in which
//! alphabet). It may err to the side of "yes", once in a hundred places or so; it must never say
//! "no" to what was put in.

use zeroize::Zeroizing;

use super::alphabet::Alphabet;

/// Bits for each thing put in, so that a few in a hundred of all bits are set.
const BITS_EACH: usize = 48;
/// The smallest table, in words of 64 bits.
const FEWEST_WORDS: usize = 16;
/// The largest: the lower 12 bits of a hash say which bits of a word, the others which word.
const MOST_WORDS: usize = 1 << 20;
/// One bit for each alphabet, to be turned.
const ALPHABETS: u64 = 1 | 1 << 21 | 1 << 42;

/// A set of hashes.
pub(super) struct Gate {
    words: Zeroizing<Vec<u64>>,
    /// By how much a hash is shifted to say which word.
    shift: u32,
}

impl Gate {
    /// A gate for `hashes`, of which there are `count`.
    pub(super) fn of(count: usize, hashes: impl IntoIterator<Item = (Alphabet, u32)>) -> Self {
        let words = (count * BITS_EACH / 64).next_power_of_two();
        let words = words.clamp(FEWEST_WORDS, MOST_WORDS);
        let mut gate = Self {
            words: Zeroizing::new(vec![0; words]),
            shift: u32::BITS - words.ilog2(),
        };
        for (alphabet, hash) in hashes {
            if let Some(word) = gate.words.get_mut((hash >> gate.shift) as usize) {
                *word |= first_bit(hash) | alphabet_bit(alphabet, hash);
            }
        }
        gate
    }

    /// Whether `hash` was put in for any alphabet, or may have been.
    pub(super) fn passes(&self, hash: u32) -> bool {
        let word = self.word(hash);
        word & first_bit(hash) != 0 && word & ALPHABETS.rotate_left(hash >> 6 & 63) != 0
    }

    /// Whether `hash`, which passes, was put in for `alphabet`, or may have been.
    pub(super) fn passes_in(&self, alphabet: Alphabet, hash: u32) -> bool {
        self.word(hash) & alphabet_bit(alphabet, hash) != 0
    }

    fn word(&self, hash: u32) -> u64 {
        let word = self.words.get((hash >> self.shift) as usize);
        word.copied().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }
}

fn first_bit(hash: u32) -> u64 {
    1 << (hash & 63)
}

fn alphabet_bit(alphabet: Alphabet, hash: u32) -> u64 {
    (1_u64 << (21 * alphabet as u32)).rotate_left(hash >> 6 & 63)
}

//! A group of keys of like length: all that is kept of them, and what begins at a place in a text.
//!
//! Apart because short keys cost speed: the shorter a key, the closer must be the places that a
//! scan looks at. So that one short key does not slow the search for the others, each group is
//! scanned for by itself.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use zeroize::Zeroizing;

use super::{
    alphabet::{self, Alphabet},
    fingerprint::{Fingerprints, Print},
    gate::Gate,
    pieces::{Owner, Piece, Pieces},
    reading::{self, Escapes, Read, eight, plain},
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
    fn units(&self, alphabet: Alphabet) -> usize {
        match alphabet {
            Alphabet::Plain => PIECE_BYTES.min(self.bytes),
            Alphabet::Base64 => PIECE_SEXTETS.min((self.bytes * 8 - 4) / 6),
            Alphabet::Hexadecimal => 2 * PIECE_BYTES.min(self.bytes),
        }
    }
}

/// What begins at a place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No piece of a key.
    None,
    /// A piece of a key, this many bytes of text long.
    Of(usize),
    /// What follows the text will tell.
    Undecided,
}

/// Whether what begins at a place may be part of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    Not,
    /// Yes: this is the hash of its gram.
    Of(u32),
    /// What follows the text will tell.
    Undecided,
}

/// All that is kept of the keys of one group.
pub(super) struct Group {
    pub(super) shape: Shape,
    fingerprints: Fingerprints,
    members: Vec<Arc<Member>>,
    gate: Gate,
    /// The pieces in each alphabet.
    pieces: [Pieces; 3],
    /// Which bits of eight bytes a gram has.
    mask: u64,
    /// Characters read and fingerprints compared so far.
    #[cfg(test)]
    pub(super) work: AtomicU64,
}

impl Group {
    pub(super) fn new(shape: Shape, fingerprints: Fingerprints) -> Self {
        Self {
            shape,
            fingerprints,
            members: Vec::new(),
            gate: Gate::of(0, []),
            pieces: Default::default(),
            mask: u64::MAX >> (64 - 8 * shape.gram),
            #[cfg(test)]
            work: AtomicU64::new(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// This group with `key` as well, which is to be known as `owner`, and what is kept of it.
    pub(super) fn with(&self, key: &[u8], owner: Owner, used: u64) -> (Self, Arc<Member>) {
        let member = Arc::new(Member {
            owner,
            bytes: key.len(),
            used: AtomicU64::new(used),
            grams: self.grams(key),
        });
        let mut members = self.members.clone();
        members.push(Arc::clone(&member));
        (self.of(members, Some((key, &member))), member)
    }

    /// This group without the keys that are known as `gone`.
    pub(super) fn without(&self, gone: &[Owner]) -> Self {
        let stays = |member: &&Arc<Member>| !gone.contains(&member.owner);
        self.of(self.members.iter().filter(stays).cloned().collect(), None)
    }

    fn of(&self, members: Vec<Arc<Member>>, added: Option<(&[u8], &Member)>) -> Self {
        let mut owners: Vec<_> = members.iter().map(|member| member.owner).collect();
        owners.sort_unstable();
        let stays = |owner| owners.binary_search(&owner).is_ok();
        let pieces = Alphabet::ALL.map(|alphabet| {
            let added = added.map(|(key, member)| self.cut(alphabet, key, member));
            let lengths = members.iter().map(|member| member.units(alphabet));
            let known = &self.pieces[alphabet as usize];
            known.merged(added.unwrap_or_default(), stays, lengths)
        });
        let grams = || {
            members.iter().flat_map(|member| {
                Alphabet::ALL
                    .into_iter()
                    .zip(&member.grams)
                    .flat_map(|(alphabet, grams)| grams.iter().map(move |gram| (alphabet, *gram)))
            })
        };
        Self {
            shape: self.shape,
            fingerprints: self.fingerprints.clone(),
            gate: Gate::of(grams().count(), grams()),
            pieces,
            members,
            mask: self.mask,
            #[cfg(test)]
            work: AtomicU64::new(0),
        }
    }

    /// All pieces of `key` in one alphabet.
    fn cut(&self, alphabet: Alphabet, key: &[u8], member: &Member) -> Zeroizing<Vec<Piece>> {
        let windows = &self.fingerprints;
        let units = member.units(alphabet);
        let of = |sealed| Piece::of(sealed, member.owner);
        Zeroizing::new(match alphabet {
            Alphabet::Plain => windows
                .windows(alphabet::bytes(key), units, 1)
                .map(of)
                .collect(),
            Alphabet::Base64 => alphabet::sextets(key)
                .into_iter()
                .flat_map(|chain| windows.windows(chain, units, 1))
                .map(of)
                .collect(),
            Alphabet::Hexadecimal => windows
                .windows(alphabet::nibbles(key), units, 2)
                .map(of)
                .collect(),
        })
    }

    /// The hashes of all grams of `key`, in each alphabet.
    fn grams(&self, key: &[u8]) -> [Zeroizing<Vec<u32>>; 3] {
        Alphabet::ALL.map(|alphabet| {
            let mut hashes = Zeroizing::new(Vec::new());
            match alphabet {
                Alphabet::Plain => self.add_grams(&mut hashes, key.iter().copied()),
                Alphabet::Base64 => alphabet::sextets(key)
                    .into_iter()
                    .flat_map(alphabet::base64)
                    .for_each(|written| self.add_grams(&mut hashes, written)),
                Alphabet::Hexadecimal => {
                    let written = alphabet::hexadecimal(alphabet::nibbles(key));
                    self.add_grams(&mut hashes, written);
                }
            }
            hashes.sort_unstable();
            hashes.dedup();
            hashes
        })
    }

    fn add_grams(&self, hashes: &mut Vec<u32>, written: impl Iterator<Item = u8>) {
        let last = 8 * (self.shape.gram - 1);
        let grams = written.scan(0, |gram, character| {
            *gram = *gram >> 8 | u64::from(character) << last;
            Some(self.gram(*gram))
        });
        hashes.extend(grams.skip(self.shape.gram - 1));
    }

    /// The hash of the first of these eight characters.
    fn gram(&self, eight: u64) -> u32 {
        self.fingerprints.gram((eight | COARSE) & self.mask)
    }

    /// Whether the first of these eight bytes of text, taken as they are, may be part of a piece.
    pub(super) fn may_hold(&self, eight: u64) -> bool {
        self.gate.passes(self.gram(eight))
    }

    /// Whether what `text` begins with, read with `escapes`, may be part of a piece; with `open`,
    /// what follows the text may have to tell. What it meets on its way it adds to `met`.
    pub(super) fn may_begin(
        &self,
        text: &[u8],
        escapes: Escapes,
        open: bool,
        met: &mut Escapes,
    ) -> May {
        let (mut gram, mut count, mut length) = (0, 0, 0);
        while count < self.shape.gram {
            self.count(1);
            let rest = text.get(length..).unwrap_or_default();
            // As many at once as stand before the next escape.
            if let Some(eight) = eight(rest)
                && let some @ 1.. = plain(eight)
            {
                gram |= (eight & u64::MAX >> (64 - 8 * some)) << (8 * count);
                count += some;
                length += some;
                continue;
            }
            match reading::first(rest, escapes, open) {
                Read::TooShort => return if open { May::Undecided } else { May::Not },
                Read::Of(character, bytes) => {
                    met.meet(rest);
                    gram |= u64::from(character) << (8 * count);
                    count += 1;
                    length += bytes;
                }
            }
        }
        let hash = self.gram(gram);
        if self.gate.passes(hash) {
            May::Of(hash)
        } else {
            May::Not
        }
    }

    /// The longest piece of a key that `text` begins with; with `open`, more text may follow.
    pub(super) fn find(&self, text: &[u8], open: bool) -> Found {
        // As a rule this is all.
        if let Some(eight) = eight(text)
            && plain(eight) == 8
            && !self.may_hold(eight)
        {
            return Found::None;
        }
        let mut longest = 0;
        let mut met = Escapes::default();
        for escapes in Escapes::READINGS {
            // Where no such character was met, the others read the same.
            if !escapes.within(met) {
                continue;
            }
            let hash = match self.may_begin(text, escapes, open, &mut met) {
                May::Undecided => return Found::Undecided,
                May::Not => continue,
                May::Of(hash) => hash,
            };
            for alphabet in Alphabet::ALL {
                if self.gate.passes_in(alphabet, hash) {
                    match self.walk(alphabet, text, escapes, open, &mut met) {
                        None => return Found::Undecided,
                        Some(length) => longest = longest.max(length),
                    }
                }
            }
        }
        match longest {
            0 => Found::None,
            length => Found::Of(length),
        }
    }

    /// How many bytes the longest piece takes that `text` begins with, in one alphabet and read
    /// with `escapes`; `None` if what follows the text will tell.
    fn walk(
        &self,
        alphabet: Alphabet,
        text: &[u8],
        escapes: Escapes,
        open: bool,
        met: &mut Escapes,
    ) -> Option<usize> {
        let pieces = &self.pieces[alphabet as usize];
        let mut print = Print::default();
        let (mut units, mut length, mut longest) = (0, 0, 0);
        while pieces.have_longer(units) {
            self.count(1);
            let rest = text.get(length..).unwrap_or_default();
            let (character, bytes) = match reading::first(rest, escapes, open) {
                Read::Of(character, bytes) => (character, bytes),
                Read::TooShort if open => return None,
                Read::TooShort => break,
            };
            met.meet(rest);
            let Some(unit) = alphabet.unit(character) else {
                break;
            };
            print = self.fingerprints.extended(print, unit);
            units += 1;
            length += bytes;
            if pieces.have(units) && pieces.hold(self.fingerprints.sealed(print)) {
                longest = length;
            }
        }
        Some(longest)
    }

    /// All that is kept.
    #[cfg(test)]
    pub(super) fn words(&self) -> Vec<u64> {
        let mut words: Vec<_> = self.pieces.iter().flat_map(Pieces::words).collect();
        words.extend(self.gate.words());
        for grams in self.members.iter().flat_map(|member| &member.grams) {
            let pair = |pair: &[u32]| {
                let whole = |word, gram: &u32| word << 32 | u64::from(*gram);
                pair.iter().rev().fold(0, whole)
            };
            words.extend(grams.chunks(2).map(pair));
        }
        words
    }

    #[cfg(test)]
    pub(super) fn count(&self, work: u64) {
        self.work.fetch_add(work, Ordering::Relaxed);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "in tests it counts")]
    pub(super) fn count(&self, _: u64) {}
}

//! A group of keys of like length: all that is kept of them, and what begins at a place in a text.
//!
//! Apart because short keys cost speed: the shorter a key, the closer must be the places that a
//! scan looks at. So that one short key does not slow the search for the others, each group is
//! scanned for by itself.

use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    alphabet::Alphabet,
    fingerprint::{Fingerprints, Print},
    gate::Gate,
    member::{Member, Shape},
    pieces::{Owner, Pieces},
    reading::{self, Escapes, Read, eight, plain},
};

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
            #[cfg(test)]
            work: AtomicU64::new(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// This group with `key` as well, which is to be known as `owner`, and what is kept of it;
    /// without the keys that are known as `gone`.
    pub(super) fn with(
        &self,
        key: &[u8],
        owner: Owner,
        now: u64,
        gone: &[Owner],
    ) -> (Self, Arc<Member>) {
        let member = Member::of(key, owner, now, self.shape, &self.fingerprints);
        let member = Arc::new(member);
        let mut members = self.without(gone);
        members.push(Arc::clone(&member));
        (self.of(members, Some((key, &member))), member)
    }

    /// This group without the keys that are known as `gone`, if it has any of them.
    pub(super) fn less(&self, gone: &[Owner]) -> Option<Self> {
        let members = self.without(gone);
        (members.len() < self.members.len()).then(|| self.of(members, None))
    }

    fn without(&self, gone: &[Owner]) -> Vec<Arc<Member>> {
        let stays = |member: &&Arc<Member>| !gone.contains(&member.owner);
        self.members.iter().filter(stays).cloned().collect()
    }

    fn of(&self, members: Vec<Arc<Member>>, added: Option<(&[u8], &Member)>) -> Self {
        let mut owners: Vec<_> = members.iter().map(|member| member.owner).collect();
        owners.sort_unstable();
        let stays = |owner| owners.binary_search(&owner).is_ok();
        let pieces = Alphabet::ALL.map(|alphabet| {
            let added = added.map(|(key, member)| member.pieces(alphabet, key, &self.fingerprints));
            let lengths = members.iter().map(|member| member.units(alphabet));
            let known = &self.pieces[alphabet as usize];
            known.merged(added.unwrap_or_default(), stays, lengths)
        });
        let grams = || members.iter().flat_map(|member| member.grams());
        Self {
            shape: self.shape,
            fingerprints: self.fingerprints.clone(),
            gate: Gate::of(grams().count(), grams()),
            pieces,
            members,
            #[cfg(test)]
            work: AtomicU64::new(0),
        }
    }

    /// The hash of the first of these eight characters.
    fn gram(&self, eight: u64) -> u32 {
        self.fingerprints.gram(self.shape.gram(eight))
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
        for member in &self.members {
            let grams: Vec<_> = member.grams().map(|(_, gram)| u64::from(gram)).collect();
            words.extend(grams.windows(2).map(|pair| pair[1] << 32 | pair[0]));
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

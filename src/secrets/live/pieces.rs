//! The pieces of keys in one alphabet: sorted fingerprints, by which a piece is recognised.
//!
//! Apart because a table is never changed: another is merged from it, so that whoever reads needs
//! no lock. A piece of two keys stands here twice, and leaves with one of them once.

use zeroize::{DefaultIsZeroes, Zeroizing};

use super::fingerprint::Sealed;

/// The number by which pieces know their key.
pub(super) type Owner = u32;

/// The fingerprint of a piece, and whose piece it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    place: u64,
    check: u32,
    owner: Owner,
}

impl DefaultIsZeroes for Piece {}

impl Piece {
    pub(super) fn of(sealed: Sealed, owner: Owner) -> Self {
        Self {
            place: sealed.place,
            check: sealed.check,
            owner,
        }
    }
}

/// All pieces in one alphabet.
#[derive(Default)]
pub(super) struct Pieces {
    sorted: Zeroizing<Vec<Piece>>,
    /// How many units pieces have: a bit for each number, from 0 on.
    lengths: u64,
}

impl Pieces {
    /// These and `added`, without those of keys that `stays` denies. `lengths` are those of the
    /// pieces of all keys that stay.
    pub(super) fn merged(
        &self,
        mut added: Zeroizing<Vec<Piece>>,
        stays: impl Fn(Owner) -> bool,
        lengths: impl IntoIterator<Item = usize>,
    ) -> Self {
        added.sort_unstable();
        added.dedup();
        let mut sorted = Zeroizing::new(Vec::with_capacity(self.sorted.len() + added.len()));
        let mut added = added.iter().copied().peekable();
        for piece in self.sorted.iter().filter(|piece| stays(piece.owner)) {
            while let Some(before) = added.next_if(|added| added < piece) {
                sorted.push(before);
            }
            sorted.push(*piece);
        }
        sorted.extend(added);
        Self {
            sorted,
            lengths: lengths
                .into_iter()
                .fold(0, |all, length| all | 1 << length.min(63)),
        }
    }

    /// Whether there are pieces of `units` units.
    pub(super) fn have(&self, units: usize) -> bool {
        self.lengths >> units & 1 == 1
    }

    /// Whether there are pieces of more than `units` units.
    pub(super) fn have_longer(&self, units: usize) -> bool {
        self.lengths >> units > 1
    }

    pub(super) fn hold(&self, sealed: Sealed) -> bool {
        let from = self
            .sorted
            .partition_point(|piece| piece.place < sealed.place);
        let mut alike = self.sorted.iter().skip(from);
        alike
            .by_ref()
            .take_while(|piece| piece.place == sealed.place)
            .any(|piece| piece.check == sealed.check)
    }

    #[cfg(test)]
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        self.sorted.iter().flat_map(|piece| {
            let other = u64::from(piece.check) << 32 | u64::from(piece.owner);
            [piece.place, other]
        })
    }
}

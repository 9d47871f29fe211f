//! Which parts of the pool are taken: a bitmap over small granules, first fit.
//!
//! Keys are tens of bytes, so a page per key would fill the pool with sixteen of them. It stands
//! apart from the pool because it is plain arithmetic, with no memory behind it and nothing
//! unsafe in it.

use std::ops::Range;

/// The unit of allocation, in bytes: one cache line, which most keys fit in.
pub(super) const GRANULE_BYTES: usize = 64;

/// The bitmap: `true` is taken.
#[derive(Debug)]
pub(super) struct Slots {
    taken: Vec<bool>,
}

impl Slots {
    /// All free.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            taken: vec![false; bytes / GRANULE_BYTES],
        }
    }

    /// Takes the first free run that holds `bytes`; an empty value takes one granule.
    pub(super) fn take(&mut self, bytes: usize) -> Option<Range<usize>> {
        let wanted = bytes.div_ceil(GRANULE_BYTES).max(1);
        let mut start = 0;
        for at in 0..self.taken.len() {
            if self.taken[at] {
                start = at + 1;
            } else if at + 1 - start == wanted {
                self.taken[start..=at].fill(true);
                return Some(start * GRANULE_BYTES..(at + 1) * GRANULE_BYTES);
            }
        }
        None
    }

    /// Gives a run back.
    pub(super) fn give_back(&mut self, bytes: &Range<usize>) {
        self.taken[bytes.start / GRANULE_BYTES..bytes.end / GRANULE_BYTES].fill(false);
    }

    /// How many bytes are taken.
    pub(super) fn taken_bytes(&self) -> usize {
        self.taken.iter().filter(|taken| **taken).count() * GRANULE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hole_is_used_again_and_a_larger_value_skips_it() {
        let mut slots = Slots::new(4 * GRANULE_BYTES);
        let first = slots.take(64).unwrap();
        assert_eq!(slots.take(1), Some(64..128));
        slots.give_back(&first);
        assert_eq!(slots.take(65), Some(128..256));
        assert_eq!(slots.take(0), Some(0..64));
        assert_eq!(slots.take(1), None);
    }

    proptest! {
        #[test]
        fn runs_never_overlap_and_all_come_back(
            steps in prop::collection::vec((0_usize..2_000, any::<prop::sample::Index>(), any::<bool>()), 1..200)
        ) {
            let mut slots = Slots::new(16 * 1024);
            let mut held: Vec<Range<usize>> = Vec::new();
            for (bytes, which, free) in steps {
                if free && !held.is_empty() {
                    let gone = held.swap_remove(which.index(held.len()));
                    slots.give_back(&gone);
                } else if let Some(run) = slots.take(bytes) {
                    prop_assert!(run.len() >= bytes && run.end <= 16 * 1024);
                    prop_assert!(held.iter().all(|other| run.end <= other.start || other.end <= run.start));
                    held.push(run);
                }
                prop_assert_eq!(slots.taken_bytes(), held.iter().map(Range::len).sum::<usize>());
            }
            for run in &held {
                slots.give_back(run);
            }
            prop_assert_eq!(slots.take(16 * 1024), Some(0..16 * 1024));
        }
    }
}

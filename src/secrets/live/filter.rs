//! The filter for text that comes in pieces: an answer as it arrives, lines as they are read.
//!
//! Apart from the search because it decides what may go on: text that may yet become a hit is held
//! back, at most as much as the longest written piece has. It works the same at every split. It
//! must never let anything pass that a search of the whole text would have found.

use std::{fmt, ops::Range, sync::Arc};

use zeroize::Zeroizing;

use super::{
    LiveSecrets, MARK,
    fingerprint::Fingerprints,
    group::Group,
    member::{PIECE_BYTES, Shape},
    scan::{hits, holds},
};

/// A filter for one stream of text. By default it knows no key, and everything passes.
#[derive(Default)]
pub struct Filter {
    keys: Keys,
    held: Zeroizing<String>,
    passage: Passage,
}

/// How far a stream has passed.
#[derive(Default)]
struct Passage {
    /// How many of the next bytes belong to a hit.
    redacting: usize,
    /// Whether the mark for what is redacted stands already.
    marked: bool,
    /// What was found in the text at hand.
    found: Vec<Range<usize>>,
}

/// What a filter knows.
#[derive(Default)]
enum Keys {
    #[default]
    None,
    One(Arc<Group>),
    Live(Arc<LiveSecrets>),
}

impl Keys {
    /// Lends `use_groups` what is known now.
    fn with<R>(&self, use_groups: impl FnOnce(&[&Group]) -> R) -> R {
        match self {
            Self::None => use_groups(&[]),
            Self::One(group) => use_groups(&[group]),
            Self::Live(live) => use_groups(&live.snapshot().groups()),
        }
    }
}

impl Filter {
    /// A filter for one key alone, of four bytes or more; shorter ones are no secret. It keeps
    /// nothing of the key but fingerprints, so the key need not outlive the request.
    #[must_use]
    pub fn of_key(value: &[u8]) -> Self {
        let shape = match value.len() {
            0..4 => return Self::default(),
            4..8 => Shape::TINY,
            8..PIECE_BYTES => Shape::SHORT,
            _ => Shape::LONG,
        };
        let (group, _) = Group::new(shape, Fingerprints::new()).with(value, 0, 0, &[]);
        Self::of(Keys::One(Arc::new(group)))
    }

    pub(super) fn of_live(live: Arc<LiveSecrets>) -> Self {
        Self::of(Keys::Live(live))
    }

    fn of(keys: Keys) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Takes the next piece of text and appends to `out` what can no longer be part of a hit.
    ///
    /// The work is in proportion to the text: whoever shares a thread gives long text in slices.
    pub fn push(&mut self, text: &str, out: &mut String) {
        self.take(text, true, out);
    }

    /// Appends what was held back: the text has ended.
    pub fn finish(&mut self, out: &mut String) {
        self.take("", false, out);
    }

    /// Whether `text`, taken alone, holds a key or a piece of one.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        self.keys.with(|groups| holds(groups, text))
    }

    /// How many bytes are held back.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    fn take(&mut self, text: &str, open: bool, out: &mut String) {
        if self.held.is_empty() {
            let known = self.passage.pass(&self.keys, text, open, out);
            self.held.push_str(text.get(known..).unwrap_or_default());
        } else {
            self.held.push_str(text);
            let known = self.passage.pass(&self.keys, &self.held, open, out);
            self.held.drain(..known);
        }
    }
}

impl Passage {
    /// Passes on what is known of `text`, and tells how much that is.
    fn pass(&mut self, keys: &Keys, text: &str, open: bool, out: &mut String) -> usize {
        let known = keys.with(|groups| hits(groups, text, open, &mut self.found));
        let known = text.floor_char_boundary(known);
        let mut passed = 0;
        let begun = Some(0..self.redacting).filter(|hit| !hit.is_empty());
        // What begins beyond will be found again.
        let hits = begun.into_iter().chain(self.found.drain(..));
        for hit in hits.take_while(|hit| hit.start < known) {
            if hit.start > passed {
                out.push_str(text.get(passed..hit.start).unwrap_or_default());
                self.marked = false;
            }
            if !self.marked {
                out.push_str(MARK);
                self.marked = true;
            }
            passed = passed.max(hit.end);
        }
        if passed < known {
            out.push_str(text.get(passed..known).unwrap_or_default());
            self.marked = false;
        }
        if known > 0 {
            self.redacting = passed.saturating_sub(known);
        }
        known
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

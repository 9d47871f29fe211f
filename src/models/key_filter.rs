//! The filter that keeps this call's key out of the answer, in case a vendor echoes it.
//!
//! It redacts every run of 16 consecutive bytes of the key or more (the whole key, where it is
//! shorter), so a key that is quoted in part is caught as well as one quoted whole. It knows the
//! key as it is, percent-encoded (either case), JSON-escaped (`\/`, `\u002d`), any mixture of
//! these, and base64 in both alphabets at every alignment; of base64, the up to four bits that
//! share a character with a neighbour may stay. What in the key itself reads as an escape is known
//! as it is or escaped with the rest. It works across pieces: text that may yet become a hit is
//! held back, at most as much as 16 written bytes.
//!
//! There are no stored needles, because each would be one more copy of the key in memory: text is
//! compared with keyed fingerprints of the key (`index`), at a cost for each byte of text that does
//! not grow with the key. It does not stop an upstream that means to leak a key it was sent and,
//! say, spells it: such an upstream could as well use it.

mod index;

use zeroize::Zeroizing;

use self::index::{Found, Index};
use crate::secrets::Secret;

/// What stands where a key stood.
const MARK: &str = "[redacted]";

/// A filter for one call.
pub(super) struct KeyFilter {
    index: Option<Index>,
    held: Zeroizing<String>,
    /// How many of the next bytes belong to a hit.
    redacting: usize,
    /// Whether the mark for what is redacted stands already.
    marked: bool,
}

impl KeyFilter {
    /// A filter for `key`; without one, everything passes. It keeps nothing of the key but
    /// fingerprints, so the key need not outlive the request.
    pub(super) fn new(key: Option<&Secret>) -> Self {
        Self::with(key.and_then(|key| key.expose(Index::of)))
    }

    fn with(index: Option<Index>) -> Self {
        Self {
            index,
            held: Zeroizing::default(),
            redacting: 0,
            marked: false,
        }
    }

    /// Takes the next piece of text and appends to `out` what can no longer be part of a hit.
    ///
    /// The work is in proportion to the text: whoever shares a thread gives long text in slices.
    pub(super) fn push(&mut self, text: &str, out: &mut String) {
        if self.index.is_none() {
            out.push_str(text);
            return;
        }
        self.held.push_str(text);
        self.advance(false, out);
    }

    /// Appends what was held back: the text has ended.
    pub(super) fn finish(&mut self, out: &mut String) {
        self.advance(true, out);
    }

    /// Whether `text`, taken alone, holds a piece of the key.
    pub(super) fn would_redact(&self, text: &str) -> bool {
        self.index.as_ref().is_some_and(|index| {
            let hit = |at| matches!(index.find(&text.as_bytes()[at..], false), Found::Of(_));
            (0..text.len()).any(hit)
        })
    }

    fn advance(&mut self, last: bool, out: &mut String) {
        let Some(index) = &self.index else {
            return;
        };
        let text = self.held.as_str();
        let (mut passed, mut at) = (0, 0);
        while at < text.len() {
            match index.find(&text.as_bytes()[at..], !last) {
                Found::None => {}
                Found::Of(length) => self.redacting = self.redacting.max(length),
                Found::Undecided => break,
            }
            if self.redacting == 0 {
                self.marked = false;
            } else {
                if !self.marked {
                    out.push_str(&text[passed..at]);
                    out.push_str(MARK);
                    self.marked = true;
                }
                self.redacting -= 1;
                // A hit is ASCII, so this is the beginning of a character.
                passed = at + 1;
            }
            at += 1;
        }
        out.push_str(&text[passed..at]);
        self.held.drain(..at);
    }
}

#[cfg(test)]
mod tests;

//! A text that was decoded, and where each of its bytes came from.
//!
//! Decoded text may hold a key, so its bytes are wiped when they are no longer needed.

use std::ops::Range;

use zeroize::Zeroizing;

/// What was decoded.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    bytes: Zeroizing<Vec<u8>>,
    /// In order, each up to the next.
    pieces: Vec<Piece>,
}

/// Bytes that came from one place.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Where they begin.
    begin: usize,
    /// Where they came from.
    source: usize,
    /// How long what they came from was; `None`: as long as they are, byte for byte.
    escape: Option<usize>,
}

impl Decoded {
    /// Appends `bytes` as they are, from `source`.
    pub(super) fn copy(&mut self, bytes: &[u8], source: usize) {
        if !bytes.is_empty() {
            self.pieces.push(Piece {
                begin: self.bytes.len(),
                source,
                escape: None,
            });
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Appends what `length` bytes at `source` mean.
    pub(super) fn replace(&mut self, bytes: &[u8], source: usize, length: usize) {
        self.pieces.push(Piece {
            begin: self.bytes.len(),
            source,
            escape: Some(length),
        });
        self.bytes.extend_from_slice(bytes);
    }

    /// The text.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the bytes of `range`, which is not empty, came from.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        let piece = |at: usize| {
            let next = self.pieces.partition_point(|piece| piece.begin <= at);
            self.pieces.get(next.saturating_sub(1)).copied()
        };
        let last = range.end.saturating_sub(1);
        match (piece(range.start), piece(last)) {
            (Some(first), Some(end)) => {
                let start = match first.escape {
                    Some(_) => first.source,
                    None => first.source + range.start - first.begin,
                };
                let end = match end.escape {
                    Some(length) => end.source + length,
                    None => end.source + last - end.begin + 1,
                };
                start..end
            }
            _ => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decoded_is_traced_to_all_that_it_came_from() {
        // `ab%41%42cd`
        let mut decoded = Decoded::default();
        decoded.copy(b"ab", 0);
        decoded.replace(b"A", 2, 3);
        decoded.replace(b"B", 5, 3);
        decoded.copy(b"cd", 8);
        assert_eq!(decoded.bytes(), b"abABcd");
        for (range, source) in [
            (0..6, 0..10),
            (1..3, 1..5),
            (2..3, 2..5),
            (3..5, 5..9),
            (5..6, 9..10),
        ] {
            assert_eq!(decoded.source(&range), source, "{range:?}");
        }
    }
}

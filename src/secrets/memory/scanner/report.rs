//! What a scan found, as numbers and as a line of a table.
//!
//! A scan that could not see everything is [`NotMeasured`], never zero.

use std::fmt;

/// What was found of one key in one part of the memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    /// Copies of the whole key.
    pub full_copies: usize,
    /// How often the most frequent 16-byte fragment of the key occurs, whole copies included.
    pub largest_fragment_count: usize,
    /// The same for fragments of 16 characters of the key in base64, any phase and alphabet.
    pub base64: usize,
    /// The same for fragments of 12 bytes of the key in HPACK's Huffman code, any bit offset.
    pub huffman: usize,
}

/// What was found of one key in the whole process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// In the locked pool.
    pub inside: Findings,
    /// Everywhere else.
    pub outside: Findings,
    /// Whether the process has a locked pool at all; without one, everything is outside.
    pub pool_found: bool,
    /// How many bytes were read.
    pub bytes_read: u64,
    /// How many bytes of private mappings hold no page of the process: never touched, or equal
    /// to the file they were mapped from.
    pub bytes_untouched: u64,
}

/// Nothing can be said about the memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not measured, because {because}")]
pub struct NotMeasured {
    /// Why, as the end of a sentence.
    pub because: String,
}

impl NotMeasured {
    pub(super) fn new(because: impl Into<String>) -> Self {
        Self {
            because: because.into(),
        }
    }
}

impl Findings {
    /// Whether nothing of the key is left in any form.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Findings {
    /// `2 full, 3 fragments, 0 base64, 0 huffman`; padded, so that lines stand under each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>2} full, {:>2} fragments, {:>2} base64, {:>2} huffman",
            self.full_copies, self.largest_fragment_count, self.base64, self.huffman
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "inside the pool: {}; outside: {}",
            self.inside, self.outside
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_a_line_of_a_table() {
        let report = Report {
            inside: Findings {
                full_copies: 1,
                largest_fragment_count: 1,
                ..Findings::default()
            },
            ..Report::default()
        };
        assert_eq!(
            report.to_string(),
            "inside the pool:  1 full,  1 fragments,  0 base64,  0 huffman; \
             outside:  0 full,  0 fragments,  0 base64,  0 huffman"
        );
        assert!(report.outside.is_nothing() && !report.inside.is_nothing());
    }
}

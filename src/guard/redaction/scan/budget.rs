//! The bound of work for one text: how many bytes regular expressions may look at and decoders may
//! write.
//!
//! Ordinary text costs less than once its length. A text made of keywords could have every rule
//! look at all of it, so past the bound it is given up, and its caller redacts it whole.

/// However short the text.
const LEAST_BYTES: usize = 1 << 20;
/// How many times its length.
const TIMES: usize = 8;

/// What is left of it.
#[derive(Debug)]
pub(in super::super) struct Budget {
    left: usize,
    spent: usize,
}

/// It is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Exhausted;

impl Budget {
    /// For a text of `length` bytes.
    pub(in super::super) fn new(length: usize) -> Self {
        Self {
            left: length.saturating_mul(TIMES).saturating_add(LEAST_BYTES),
            spent: 0,
        }
    }

    /// Takes `bytes` of it.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spent = self.spent.saturating_add(bytes);
        self.left = self.left.checked_sub(bytes).ok_or(Exhausted)?;
        Ok(())
    }

    /// How much was asked for so far.
    #[cfg(test)]
    pub(in super::super) fn spent(&self) -> usize {
        self.spent
    }
}

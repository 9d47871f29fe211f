//! The hash chain: how a record becomes a line that its neighbours vouch for.
//!
//! A line is the record in canonical form (RFC 8785) with three members more: `sequence`, its
//! place from 1; `prev`, the hash of the line before; `hash`, the SHA-256 of the line's own
//! canonical form without that member. So no line can be changed, taken out, moved or put in
//! without the next one contradicting it. What the chain alone cannot show is that lines are
//! missing at its end, or that somebody computed all of it anew; checkpoints do.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Hash, Record, canonical};

/// The longest line, in bytes. Records are cut to less before they get here, so a longer line in a
/// file is none of ours.
pub(super) const MAX_LINE: usize = 1024 * 1024;

/// Up to here every integer has a canonical form of its own (RFC 8785, section 3.2.2.3).
const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// The end of a chain, to which the next record is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    sequence: u64,
    head: Hash,
}

/// Why a record did not become a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    /// It has no canonical form.
    #[error("a record has no canonical form")]
    Form,
    /// Its line would be longer than any reader accepts.
    #[error("a record is longer than {MAX_LINE} bytes")]
    Length,
}

/// A line that was read back.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) sequence: u64,
    pub(super) prev: Hash,
    pub(super) hash: Hash,
    /// All other members.
    pub(super) record: Map<String, Value>,
}

/// What is wrong with a line, looked at alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// It is not JSON, or not a record.
    #[error("is no record")]
    NoRecord,
    /// It says in other bytes what a record would say.
    #[error("is not in canonical form")]
    NotCanonical,
    /// What it says is not what it was sealed with.
    #[error("does not have the hash that it states")]
    WrongHash,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    record: &'a Record,
    sequence: u64,
    prev: &'a str,
}

impl Chain {
    /// A chain without records.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sequence: 0,
            head: Hash::ZERO,
        }
    }

    /// The chain that ends in `link`.
    pub(super) fn ending_in(link: &Link) -> Self {
        Self {
            sequence: link.sequence,
            head: link.hash,
        }
    }

    /// The sequence of the last record; 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The hash of the last record; zeros before the first.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.head
    }

    /// Links `record` to the chain and returns its line, without a line end.
    ///
    /// A writer that may fail seals on a copy, and keeps the copy once the lines are where they
    /// belong.
    ///
    /// # Errors
    /// [`Unsealable`]; the chain is as it was.
    pub fn seal(&mut self, record: &Record) -> Result<String, Unsealable> {
        let sequence = self.sequence + 1;
        let prev = self.head.to_string();
        let body = Body {
            record,
            sequence,
            prev: &prev,
        };
        let body = if is_plain(record) {
            let text = serde_json::to_string(&body).map_err(|_| Unsealable::Form)?;
            canonical::in_order(&text).ok_or(Unsealable::Form)?
        } else {
            serde_json_canonicalizer::to_string(&body).map_err(|_| Unsealable::Form)?
        };
        let hash = Hash::of(body.as_bytes());
        let line = canonical::with_hash(body, &hash).ok_or(Unsealable::Form)?;
        if line.len() > MAX_LINE {
            return Err(Unsealable::Length);
        }
        *self = Self {
            sequence,
            head: hash,
        };
        Ok(line)
    }

    /// Links every record of `batch` and returns their lines, each with its end. A short-cut over
    /// [`Self::seal`].
    ///
    /// # Errors
    /// [`Unsealable`]; the chain is as it was.
    pub(super) fn seal_all(&mut self, batch: &[Arc<Record>]) -> Result<String, Unsealable> {
        let mut chain = *self;
        let mut lines = String::new();
        for record in batch {
            lines.push_str(&chain.seal(record)?);
            lines.push('\n');
        }
        *self = chain;
        Ok(lines)
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Link {
    /// Reads `line` (without its end) and checks it against itself: byte for byte its canonical
    /// form, and the hash that it states.
    pub(super) fn read(line: &[u8]) -> Result<Self, BadLine> {
        let mut record: Map<String, Value> =
            serde_json::from_slice(line).map_err(|_| BadLine::NoRecord)?;
        let hash = record.remove("hash").as_ref().and_then(as_hash);
        let prev = record.get("prev").and_then(as_hash);
        let sequence = record.get("sequence").and_then(Value::as_u64);
        let sequence = sequence.filter(|sequence| (1..=MAX_SEQUENCE).contains(sequence));
        let (Some(hash), Some(prev), Some(sequence)) = (hash, prev, sequence) else {
            return Err(BadLine::NoRecord);
        };
        let body =
            serde_json_canonicalizer::to_string(&record).map_err(|_| BadLine::NotCanonical)?;
        let is_right = Hash::of(body.as_bytes()) == hash;
        if canonical::with_hash(body, &hash).is_none_or(|canonical| canonical.as_bytes() != line) {
            return Err(BadLine::NotCanonical);
        }
        if !is_right {
            return Err(BadLine::WrongHash);
        }
        record.remove("prev");
        record.remove("sequence");
        Ok(Self {
            sequence,
            prev,
            hash,
            record,
        })
    }
}

/// Whether `record`, as serde_json writes it, differs from its canonical form in nothing but the
/// order of its own members: it holds no document of a client's, and no name that UTF-16 sorts
/// otherwise than UTF-8 (one beyond the Basic Multilingual Plane, four bytes long).
///
/// Most records are, and the general way would take as long as all the rest of a record does.
fn is_plain(record: &Record) -> bool {
    let is_short = |name: &String| name.bytes().all(|byte| byte < 0xf0);
    record.arguments.is_none() && record.arguments_hmac.keys().all(is_short)
}

fn as_hash(value: &Value) -> Option<Hash> {
    value.as_str().and_then(Hash::parse)
}

#[cfg(test)]
mod tests;

//! The file of checkpoints, read back: which are this key's, and what was never finished.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::FaultKind;
use crate::audit::{Checkpoint, VerifierKey, checkpoint};

/// A checkpoint takes about 200 bytes; a year of them, one each minute, 100 MB.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The checkpoints of a file.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// By sequence, the highest first.
    left: Vec<Checkpoint>,
    pub(super) confirmed: u64,
    /// Of records before the first that was given.
    pub(super) earlier: u64,
    /// That were never finished: an interrupted write.
    pub(super) unfinished: u64,
}

impl Checkpoints {
    /// Reads the file at `path`. The inner error is that a finished checkpoint is not `key`'s,
    /// so that it cannot be told what it would contradict.
    pub(super) fn read(path: &Path, key: &VerifierKey) -> io::Result<Result<Self, FaultKind>> {
        let mut text = String::new();
        let mut file = File::open(path)?.take(MAX_BYTES + 1);
        file.read_to_string(&mut text)?;
        if file.limit() == 0 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(Self::parse(&text, key))
    }

    fn parse(text: &str, key: &VerifierKey) -> Result<Self, FaultKind> {
        let mut found = Self::default();
        let mut body = None;
        let mut number = 0;
        // Notes are parted by empty lines, and so are the two parts of each.
        let parts = text.split("\n\n").map(|part| part.trim_start_matches('\n'));
        for part in parts.filter(|part| !part.is_empty()) {
            if !part.starts_with(checkpoint::SIGNATURE_MARK) {
                found.unfinished += u64::from(body.replace(part).is_some());
                continue;
            }
            number += 1;
            let part = part.strip_suffix('\n').unwrap_or(part);
            let note = format!("{}\n\n{part}\n", body.take().unwrap_or_default());
            let checkpoint = checkpoint::verify(&note, key);
            let checkpoint =
                checkpoint.map_err(|reason| FaultKind::BadCheckpoint { number, reason })?;
            found.left.push(checkpoint);
        }
        found.unfinished += u64::from(body.is_some());
        found
            .left
            .sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.sequence));
        Ok(found)
    }

    /// Passes over what is stated of records before `first`, except the last of them, whose hash
    /// the first record states as `prev`.
    pub(super) fn begin(&mut self, first: u64) {
        while self
            .left
            .pop_if(|next| next.sequence.saturating_add(1) < first)
            .is_some()
        {
            self.earlier += 1;
        }
    }

    /// Compares what is stated of record `reached` with what it is.
    pub(super) fn pass(&mut self, reached: Checkpoint) -> Result<(), FaultKind> {
        while let Some(stated) = self.left.pop_if(|next| next.sequence <= reached.sequence) {
            if stated != reached {
                let sequence = stated.sequence;
                return Err(FaultKind::Contradicted { sequence });
            }
            self.confirmed += 1;
        }
        Ok(())
    }

    /// What is stated of records that were not there: the furthest.
    pub(super) fn end(&self) -> Result<(), FaultKind> {
        self.left.first().map_or(Ok(()), |furthest| {
            let sequence = furthest.sequence;
            Err(FaultKind::CutOff { sequence })
        })
    }
}

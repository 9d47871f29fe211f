//! The walk along the chain: each line against itself, against the one before, and against the
//! checkpoints. It ends at the first fault, since nothing after it is vouched for.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Fault, FaultKind, Report, Unfinished, checkpoints::Checkpoints};
use crate::audit::{
    Chain, Checkpoint, Hash, VerifierKey,
    chain::{BadLine, Link},
    lines::{self, Line, Lines},
};

/// What is to be verified.
#[derive(Debug, Clone, Copy)]
pub struct Verification<'a> {
    /// Files of one chain, oldest first.
    pub files: &'a [PathBuf],
    /// The sequence of the first record that must be there: 1, unless older files were deleted.
    pub begins_at: u64,
    /// A file of checkpoints, and the key that they must be signed with.
    pub checkpoints: Option<(&'a Path, &'a VerifierKey)>,
}

/// A file cannot be read, so that nothing can be said of it.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {error}", .file.display())]
pub struct Unverifiable {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Verifies files, line by line.
///
/// # Errors
/// [`Unverifiable`]. That records were altered is no error, but the report's
/// [`fault`](Report::fault).
pub fn verify(what: &Verification<'_>) -> Result<Report, Unverifiable> {
    let unreadable = |file: &Path| {
        let file = file.to_owned();
        move |error| Unverifiable { file, error }
    };
    let mut report = Report::default();
    let mut checkpoints = Checkpoints::default();
    if let Some((path, key)) = what.checkpoints {
        match Checkpoints::read(path, key).map_err(unreadable(path))? {
            Ok(read) => checkpoints = read,
            Err(kind) => {
                report.fault = Some(Fault::in_checkpoints(path, kind));
                return Ok(report);
            }
        }
    }
    let mut walk = Walk {
        begins_at: what.begins_at,
        chain: None,
        checkpoints,
        report,
        line: 0,
    };
    for file in what.files {
        walk.report.files += 1;
        walk.line = 0;
        let fault = walk.along(file).map_err(unreadable(file))?.err();
        if let Some((kind, sequence)) = fault {
            walk.report.fault = Some(Fault {
                file: file.clone(),
                line: walk.line,
                sequence,
                kind,
            });
            break;
        }
    }
    Ok(walk.end(what.files.last()))
}

/// A fault in a line, and the sequence that the line states, if it is one.
type Step = Result<(), (FaultKind, Option<u64>)>;

struct Walk {
    begins_at: u64,
    /// `None` before the first record.
    chain: Option<Chain>,
    checkpoints: Checkpoints,
    report: Report,
    /// Of the present file, from 1.
    line: u64,
}

impl Walk {
    fn along(&mut self, path: &Path) -> io::Result<Step> {
        let file = File::open(path)?;
        let length = lines::settled_length(&file)?;
        let mut lines = Lines::new(file.take(length));
        loop {
            self.line += 1;
            let step = match lines.next()? {
                Line::Whole(line) => self.step(line),
                Line::TooLong => Err((FaultKind::Line(BadLine::NoRecord), None)),
                Line::End => return Ok(Ok(())),
                Line::Unfinished(rest) => return Ok(self.unfinished(path, rest)),
            };
            if step.is_err() {
                return Ok(step);
            }
        }
    }

    /// An interrupted write leaves the beginning of a line behind. It cannot leave a whole line
    /// and something that is no line end.
    fn unfinished(&mut self, path: &Path, rest: &[u8]) -> Step {
        let whole = rest.split_last().map(|(_, whole)| Link::read(whole));
        if let Some(Ok(link)) = whole {
            let kind = FaultKind::Line(BadLine::NoRecord);
            return Err((kind, Some(link.sequence)));
        }
        self.report.unfinished.push(Unfinished {
            file: path.to_owned(),
            bytes: rest.len() as u64,
        });
        Ok(())
    }

    fn step(&mut self, line: &[u8]) -> Step {
        let link = Link::read(line).map_err(|bad| (FaultKind::Line(bad), None))?;
        self.follow(&link)
            .map_err(|kind| (kind, Some(link.sequence)))?;
        self.chain = Some(Chain::ending_in(&link));
        self.report.take(&link);
        Ok(())
    }

    fn follow(&mut self, link: &Link) -> Result<(), FaultKind> {
        let (expected, prev) = match self.chain {
            Some(chain) => (chain.sequence() + 1, chain.head()),
            // Before the first record there is nothing, unless older files were deleted.
            None if self.begins_at <= 1 => (1, Hash::ZERO),
            None => (self.begins_at, link.prev),
        };
        if link.sequence > expected {
            return Err(FaultKind::Missing { expected });
        }
        if link.sequence < expected {
            return Err(FaultKind::Repeated { expected });
        }
        if link.prev != prev {
            return Err(FaultKind::BrokenLink);
        }
        if self.chain.is_none() {
            self.checkpoints.begin(link.sequence);
            self.checkpoints.pass(Checkpoint {
                sequence: link.sequence - 1,
                head: link.prev,
            })?;
        }
        self.checkpoints.pass(Checkpoint {
            sequence: link.sequence,
            head: link.hash,
        })
    }

    fn end(self, last_file: Option<&PathBuf>) -> Report {
        let Self {
            checkpoints,
            mut report,
            ..
        } = self;
        report.checkpoints = checkpoints.confirmed;
        report.earlier_checkpoints = checkpoints.earlier;
        report.unfinished_checkpoints = checkpoints.unfinished;
        if report.fault.is_none()
            && let (Err(kind), Some(file)) = (checkpoints.end(), last_file)
        {
            report.fault = Some(Fault {
                file: file.clone(),
                line: self.line,
                sequence: report.last,
                kind,
            });
        }
        report
    }
}

#[cfg(test)]
mod tests;

//! What verification found, for people and for programs.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::audit::{
    Event, Hash, InvalidNote,
    chain::{BadLine, Link},
    shown,
};

/// What verification found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Files that were read.
    pub files: u64,
    /// Records that are in order.
    pub records: u64,
    /// The sequence of the first of them.
    pub first: Option<u64>,
    /// The sequence of the last of them.
    pub last: Option<u64>,
    /// The hash of the last of them.
    pub head: Option<Hash>,
    /// Records that say that a sink lost others.
    pub losses: u64,
    /// Records that say that an unfinished line was cut off.
    pub healings: u64,
    /// Checkpoints that these records bear out.
    pub checkpoints: u64,
    /// Checkpoints of records before the first, which say nothing of these.
    pub earlier_checkpoints: u64,
    /// Checkpoints that were never finished: an interrupted write.
    pub unfinished_checkpoints: u64,
    /// Lines that were never finished: an interrupted write, which the next start cuts off.
    pub unfinished: Vec<Unfinished>,
    /// The first thing that is not as it was written.
    pub fault: Option<Fault>,
}

/// A line that was never finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The file that it ends.
    pub file: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Where something is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; for a checkpoint 0.
    pub line: u64,
    /// The sequence that the line states, if it can be read.
    pub sequence: Option<u64>,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The line was altered.
    Line(BadLine),
    /// Records before this one are missing.
    Missing {
        /// The sequence that should have come.
        expected: u64,
    },
    /// A record that was there already, or an older one.
    Repeated {
        /// The sequence that should have come.
        expected: u64,
    },
    /// The record is not the one that followed the record before.
    BrokenLink,
    /// A checkpoint states another hash: the file was written anew.
    Contradicted {
        /// Of the record that the checkpoint is about.
        sequence: u64,
    },
    /// A checkpoint states a record that is not there any more: the end was cut off.
    CutOff {
        /// Of the record that the checkpoint is about.
        sequence: u64,
    },
    /// A checkpoint that proves nothing.
    BadCheckpoint {
        /// Which one, from 1.
        number: u64,
        /// Why.
        reason: InvalidNote,
    },
}

impl FaultKind {
    /// One word, for programs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Line(BadLine::NoRecord) => "no_record",
            Self::Line(BadLine::NotCanonical) => "not_canonical",
            Self::Line(BadLine::WrongHash) => "wrong_hash",
            Self::Missing { .. } => "missing",
            Self::Repeated { .. } => "repeated",
            Self::BrokenLink => "broken_link",
            Self::Contradicted { .. } => "contradicted",
            Self::CutOff { .. } => "cut_off",
            Self::BadCheckpoint { .. } => "bad_checkpoint",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(bad) => write!(f, "this line {bad}"),
            Self::Missing { expected } => write!(
                f,
                "record {expected} should be here: records were taken out, or a file is not given"
            ),
            Self::Repeated { expected } => write!(
                f,
                "record {expected} should be here: a record was repeated, moved or put in, or \
                 files are in another order"
            ),
            Self::BrokenLink => f.write_str(
                "this record did not follow the one before: one of them was replaced or put in",
            ),
            Self::Contradicted { sequence } => write!(
                f,
                "a signed checkpoint states another hash for record {sequence}: the file was \
                 written anew"
            ),
            Self::CutOff { sequence } => write!(
                f,
                "a signed checkpoint states record {sequence}, which is not here: the end was cut \
                 off, or a file is not given"
            ),
            Self::BadCheckpoint { number, reason } => write!(f, "checkpoint {number} {reason}"),
        }
    }
}

impl Fault {
    pub(super) fn in_checkpoints(path: &Path, kind: FaultKind) -> Self {
        Self {
            file: path.to_owned(),
            line: 0,
            sequence: None,
            kind,
        }
    }
}

impl Report {
    /// Whether everything is as it was written.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.fault.is_none()
    }

    pub(super) fn take(&mut self, link: &Link) {
        self.records += 1;
        self.first.get_or_insert(link.sequence);
        self.last = Some(link.sequence);
        self.head = Some(link.hash);
        let event = link.record.get("event").and_then(Value::as_str);
        self.losses += u64::from(event == Some(Event::RecordsLost.label()));
        self.healings += u64::from(event == Some(Event::TailHealed.label()));
    }

    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let path = |path: &Path| path.display().to_string();
        let fault = self.fault.as_ref().map(|fault| {
            json!({
                "file": path(&fault.file),
                "line": fault.line,
                "sequence": fault.sequence,
                "kind": fault.kind.label(),
                "message": fault.kind.to_string(),
            })
        });
        let unfinished: Vec<Value> = self
            .unfinished
            .iter()
            .map(|line| json!({ "file": path(&line.file), "bytes": line.bytes }))
            .collect();
        json!({
            "valid": self.is_whole(),
            "files": self.files,
            "records": self.records,
            "first_sequence": self.first,
            "last_sequence": self.last,
            "head": self.head.map(|head| head.to_string()),
            "losses": self.losses,
            "healings": self.healings,
            "checkpoints": {
                "confirmed": self.checkpoints,
                "earlier": self.earlier_checkpoints,
                "unfinished": self.unfinished_checkpoints,
            },
            "unfinished_lines": unfinished,
            "fault": fault,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fault) = &self.fault {
            let file = shown(&fault.file.display().to_string());
            write!(f, "NOT AS WRITTEN  {file}")?;
            if fault.line > 0 {
                write!(f, ", line {}", fault.line)?;
            }
            if let Some(sequence) = fault.sequence {
                write!(f, ", record {sequence}")?;
            }
            writeln!(f, ": {}", fault.kind)?;
        }
        match (self.first, self.last, self.head) {
            (Some(first), Some(last), Some(head)) => {
                writeln!(
                    f,
                    "in order        records {first} to {last}, {} files",
                    self.files
                )?;
                write!(f, "head            {head}")?;
            }
            _ => write!(f, "in order        no records, {} files", self.files)?,
        }
        if self.checkpoints + self.earlier_checkpoints + self.unfinished_checkpoints > 0 {
            write!(
                f,
                "\ncheckpoints     {} borne out, {} of earlier records, {} unfinished",
                self.checkpoints, self.earlier_checkpoints, self.unfinished_checkpoints
            )?;
        }
        for line in &self.unfinished {
            let file = shown(&line.file.display().to_string());
            write!(
                f,
                "\nunfinished      the last {} bytes of {file}: a write was interrupted; the next \
                 start cuts them off and records it",
                line.bytes
            )?;
        }
        if self.losses + self.healings > 0 {
            write!(
                f,
                "\nrecorded        {} times that records were lost, {} times that an unfinished \
                 line was cut off",
                self.losses, self.healings
            )?;
        }
        if self.is_whole() && self.checkpoints == 0 {
            write!(
                f,
                "\nnot shown       that nothing was cut off at the end or written anew: that takes \
                 checkpoints"
            )?;
        }
        Ok(())
    }
}

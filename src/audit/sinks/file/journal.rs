//! One open file of lines: its lock, the chain as far as it has come, and how a batch is added so
//! that it is there whole or not at all.
//!
//! Other processes may write to the same file, so nothing that is known of it holds without the
//! lock: under it, a length that is not the one left behind means that others have written, and
//! the chain is taken up from the last line again.

use std::{
    cell::OnceCell,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    place,
    tail::{self, Tail},
};
use crate::audit::{Chain, Event, Hash, Record, SinkError, chain::Link};

/// Between two tries to get the lock: a batch takes about as long.
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// An open file of lines.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Device and inode: what a path leads to.
    identity: (u64, u64),
    /// How long this process left it; 0 before it was first looked at.
    length: u64,
    /// The chain up to there; `None` while no line is known.
    chain: Option<Chain>,
    /// What its first line says, once somebody asked.
    begun: OnceCell<Begun>,
}

/// Of the first record of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) time: Timestamp,
    pub(super) sequence: u64,
}

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self, SinkError> {
        let file = place::open(path)?;
        let metadata = file
            .metadata()
            .map_err(|error| failed("read", path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
            file,
            length: 0,
            chain: None,
            begun: OnceCell::new(),
        })
    }

    /// Waits for the lock.
    pub(super) fn lock(&self, until: Instant) -> Result<(), SinkError> {
        lock(&self.file, &self.path, until)
    }

    pub(super) fn unlock(&self) {
        if let Err(error) = self.file.unlock() {
            tracing::error!(%error, path = %self.path.display(), "the audit file stays locked");
        }
    }

    /// Whether the path still leads here. Only the holder of the lock moves the file away, if
    /// everybody is one of us.
    pub(super) fn is_in_place(&self) -> Result<bool, SinkError> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) => Ok(self.identity == (metadata.dev(), metadata.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("find", &self.path, &error)),
        }
    }

    /// Under the lock: takes in what others have written since. An unfinished line at the end is
    /// cut off; the record that says so is returned, to be written next.
    ///
    /// # Errors
    /// The file is shorter than it was, or its last line is none of ours: somebody else has been
    /// at it, and nothing may be added that would cover that up.
    pub(super) fn catch_up(&mut self) -> Result<Option<Record>, SinkError> {
        let length = self.measure()?;
        if length == self.length {
            return Ok(None);
        }
        if length < self.length {
            return Err(SinkError(format!(
                "{} is shorter than this process left it: records were cut off. Keep it as \
                 evidence, and move it away so that a new file is begun",
                self.path.display()
            )));
        }
        let (tail, chain) = self.read_end(length)?;
        let healed = if tail.unfinished.is_empty() {
            None
        } else {
            self.cut_to(tail.whole)?;
            Some(tail_healed(&tail.unfinished))
        };
        self.length = tail.whole;
        self.chain = chain.or(self.chain);
        Ok(healed)
    }

    /// The chain up to the last line of a file that the path no longer leads to. It is not
    /// changed, and if it cannot be read, what this process knew of it counts.
    pub(super) fn last_known(&self) -> Option<Chain> {
        let longer = self.measure().ok().filter(|length| *length > self.length);
        let read = longer.and_then(|length| self.read_end(length).ok());
        read.and_then(|(_, chain)| chain).or(self.chain)
    }

    fn read_end(&self, length: u64) -> Result<(Tail, Option<Chain>), SinkError> {
        end_of(&self.file, &self.path, length)
    }

    /// How long this process left the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn chain(&self) -> Option<Chain> {
        self.chain
    }

    /// Sets where the chain of a file without lines begins.
    pub(super) fn begin_at(&mut self, chain: Chain) {
        self.chain = Some(chain);
    }

    /// Under the lock: adds `lines`, up to which the chain is then `chain`, and forces them to the
    /// disk if `sync` says so. What was written of them is cut off again if any of that fails.
    pub(super) fn append(
        &mut self,
        lines: &[u8],
        chain: Chain,
        sync: bool,
    ) -> Result<(), SinkError> {
        let mut written = (&self.file).write_all(lines);
        if written.is_ok() && sync {
            written = self.file.sync_data();
        }
        if let Err(error) = written {
            // If this fails too, a half line stays, and is cut off before the next is written.
            self.cut_to(self.length)?;
            return Err(failed("write to", &self.path, &error));
        }
        self.length += lines.len() as u64;
        self.chain = Some(chain);
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), SinkError> {
        let synced = self.file.sync_data();
        synced.map_err(|error| failed("write to", &self.path, &error))
    }

    /// When and where the file begins, after which it is named when it is closed.
    pub(super) fn begun(&self) -> Result<Begun, SinkError> {
        if let Some(begun) = self.begun.get() {
            return Ok(*begun);
        }
        let line = tail::first_line(&self.file, self.length);
        let line = line.map_err(|error| failed("read", &self.path, &error))?;
        let begun = line.and_then(|line| {
            let link = Link::read(&line).ok()?;
            Some(Begun {
                time: link.record.get("time")?.as_str()?.parse().ok()?,
                sequence: link.sequence,
            })
        });
        let begun = begun.ok_or_else(|| {
            SinkError(format!(
                "the first line of {} is no record",
                self.path.display()
            ))
        })?;
        Ok(*self.begun.get_or_init(|| begun))
    }

    fn measure(&self) -> Result<u64, SinkError> {
        let metadata = self.file.metadata();
        metadata
            .map(|found| found.len())
            .map_err(|error| failed("read", &self.path, &error))
    }

    fn cut_to(&self, length: u64) -> Result<(), SinkError> {
        let cut = self.file.set_len(length);
        cut.map_err(|error| failed("cut off what was half written to", &self.path, &error))
    }
}

/// Waits for the lock of `file`, which is the file's and not the path's: flock(2).
pub(super) fn lock(file: &File, path: &Path, until: Instant) -> Result<(), SinkError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(BETWEEN_TRIES);
            }
            Err(TryLockError::WouldBlock) => {
                let path = path.display();
                return Err(SinkError(format!("another process keeps {path} locked")));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", path, &error)),
        }
    }
}

/// Reads the end of `file`, and the chain up to its last line.
pub(super) fn end_of(
    file: &File,
    path: &Path,
    length: u64,
) -> Result<(Tail, Option<Chain>), SinkError> {
    let refuse = |what: &str| {
        SinkError(format!(
            "the last line of {} {what}: the file was changed or damaged. Keep it as evidence, \
             and move it away so that a new file is begun",
            path.display()
        ))
    };
    let tail = tail::read(file, length).map_err(|error| failed("read", path, &error))?;
    let tail = tail.ok_or_else(|| refuse("is longer than any record"))?;
    let link = tail.last.as_deref().map(Link::read).transpose();
    let link = link.map_err(|bad| refuse(&bad.to_string()))?;
    Ok((tail, link.as_ref().map(Chain::ending_in)))
}

fn tail_healed(cut: &[u8]) -> Record {
    let mut record = Record::new(Event::TailHealed);
    record.count = Some(cut.len() as u64);
    record.detail = Some(format!("SHA-256 of what was cut off: {}", Hash::of(cut)));
    record
}

/// What the operator is told of an error.
pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> SinkError {
    SinkError(format!("cannot {what} {}: {error}", path.display()))
}

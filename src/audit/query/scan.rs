//! Reads the files, shows what is meant, and follows what is still being written.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{Filter, Format};
use crate::audit::{
    lines::{Line, Lines},
    sinks::closed_files,
};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Files, oldest first.
    pub files: &'a [PathBuf],
    /// Which records.
    pub filter: &'a Filter,
    /// Only the last so many of those that are there. `None`: all.
    pub limit: Option<usize>,
    /// How they are shown.
    pub format: Format,
}

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records that were shown.
    pub shown: u64,
    /// Lines that are no records.
    pub unreadable: u64,
}

/// A query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The answer cannot be written.
    #[error("cannot write the answer: {0}")]
    Unwritable(io::Error),
}

/// Shows the records of `query.files` on `out`. When all are shown, `wait` is asked whether to
/// look for more in the last file, and in what follows when that is closed; it may sleep. A reader
/// of `out` that has gone ends the query without error.
///
/// # Errors
/// [`QueryError`].
pub fn query(
    query: &Query<'_>,
    out: &mut dyn Write,
    wait: &mut dyn FnMut() -> bool,
) -> Result<Summary, QueryError> {
    let mut scan = Scan {
        query,
        out,
        held: VecDeque::new(),
        last_sequence: 0,
        summary: Summary::default(),
    };
    match scan.run(wait) {
        Err(QueryError::Unwritable(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        result => result?,
    }
    Ok(scan.summary)
}

struct Scan<'a> {
    query: &'a Query<'a>,
    out: &'a mut dyn Write,
    /// The last matches, while more may come that are later.
    held: VecDeque<(Vec<u8>, Map<String, Value>)>,
    last_sequence: u64,
    summary: Summary,
}

impl Scan<'_> {
    fn run(&mut self, wait: &mut dyn FnMut() -> bool) -> Result<(), QueryError> {
        let format = self.query.format;
        format
            .write_header(self.out)
            .map_err(QueryError::Unwritable)?;
        let mut last = None;
        let limit = self.query.limit;
        for path in self.query.files {
            let mut file = Followed::open(path).map_err(unreadable(path))?;
            self.read(path, &mut file, limit)?;
            last = Some((path, file));
        }
        for (line, record) in std::mem::take(&mut self.held) {
            self.show(&line, &record)?;
        }
        let Some((path, mut file)) = last else {
            return Ok(());
        };
        loop {
            self.out.flush().map_err(QueryError::Unwritable)?;
            if !wait() {
                return Ok(());
            }
            // Looked at before reading: what was written before it was closed is read still.
            let is_in_place = file.is_at(path);
            self.read(path, &mut file, None)?;
            if !is_in_place {
                file = self.read_next(path, file)?;
            }
        }
    }

    /// Goes on from a file that was closed: with what was closed after it, then with the next.
    fn read_next(&mut self, path: &Path, file: Followed) -> Result<Followed, QueryError> {
        for closed in closed_files(path).map_err(unreadable(path))? {
            if closed.sequence > self.last_sequence {
                let path = closed.path;
                let mut file = Followed::open(&path).map_err(unreadable(&path))?;
                self.read(&path, &mut file, None)?;
            }
        }
        match Followed::open(path) {
            Ok(mut next) => {
                self.read(path, &mut next, None)?;
                Ok(next)
            }
            // Between the two.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(file),
            Err(error) => Err(unreadable(path)(error)),
        }
    }

    fn read(
        &mut self,
        path: &Path,
        file: &mut Followed,
        limit: Option<usize>,
    ) -> Result<(), QueryError> {
        loop {
            let line = match file.lines.next().map_err(unreadable(path))? {
                Line::Whole(line) => line,
                Line::TooLong => {
                    self.summary.unreadable += 1;
                    return Ok(());
                }
                Line::End | Line::Unfinished(_) => return Ok(()),
            };
            let Ok(record) = serde_json::from_slice::<Map<String, Value>>(line) else {
                self.summary.unreadable += 1;
                continue;
            };
            if let Some(sequence) = record.get("sequence").and_then(Value::as_u64) {
                self.last_sequence = self.last_sequence.max(sequence);
            }
            if !self.query.filter.admits(&record) {
                continue;
            }
            let Some(limit) = limit else {
                self.show(line, &record)?;
                continue;
            };
            self.held.push_back((line.to_vec(), record));
            if self.held.len() > limit {
                self.held.pop_front();
            }
        }
    }

    fn show(&mut self, line: &[u8], record: &Map<String, Value>) -> Result<(), QueryError> {
        self.summary.shown += 1;
        let written = self.query.format.write(self.out, line, record);
        written.map_err(QueryError::Unwritable)
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> QueryError + use<> {
    let file = path.to_owned();
    move |error| QueryError::Unreadable {
        file: file.clone(),
        error,
    }
}

/// A file that may still be written to.
struct Followed {
    identity: (u64, u64),
    lines: Lines<File>,
}

impl Followed {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(Self {
            identity: (metadata.dev(), metadata.ino()),
            lines: Lines::new(file),
        })
    }

    fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }
}

#[cfg(test)]
mod tests;

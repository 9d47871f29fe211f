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
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::audit::{Event, FileSettings, FileSink, Fsync, Record, Sink};

    fn audit_in(folder: &TempDir, rotate_bytes: u64) -> (FileSink, [PathBuf; 1]) {
        let settings = FileSettings {
            path: "audit.jsonl".into(),
            rotate_bytes,
            rotate_after: None,
            keep: None,
            fsync: Fsync::Never,
            checkpoints: None,
        };
        let sink = FileSink::new(settings, folder.path(), Arc::new(|| None)).unwrap();
        (sink, [folder.path().join("audit.jsonl")])
    }

    fn keep(sink: &mut FileSink, tools: impl IntoIterator<Item = usize>) {
        for tool in tools {
            let mut record = Record::new(Event::CallAccepted);
            record.tool = Some(tool.to_string());
            sink.write(&[Arc::new(record)]).unwrap();
        }
    }

    fn tools(out: &[u8]) -> Vec<String> {
        let lines = std::str::from_utf8(out).unwrap().lines();
        let tool = |line| serde_json::from_str::<Value>(line).unwrap()["tool"].clone();
        lines
            .map(|line| tool(line).as_str().unwrap().to_owned())
            .collect()
    }

    fn ask(files: &[PathBuf], filter: &Filter, limit: Option<usize>) -> (Summary, Vec<u8>) {
        let mut out = Vec::new();
        let what = Query {
            files,
            filter,
            limit,
            format: Format::Json,
        };
        let summary = query(&what, &mut out, &mut || false).unwrap();
        (summary, out)
    }

    #[test]
    fn what_is_meant_is_shown_and_no_more_than_the_last_so_many() {
        let folder = tempfile::tempdir().unwrap();
        let (mut sink, files) = audit_in(&folder, u64::MAX);
        keep(&mut sink, 0..10);
        let (summary, out) = ask(&files, &Filter::default(), None);
        assert_eq!((summary.shown, tools(&out).len()), (10, 10));
        assert_eq!(out, fs::read(&files[0]).unwrap());
        let (_, out) = ask(&files, &Filter::default(), Some(3));
        assert_eq!(tools(&out), ["7", "8", "9"]);
        let one = Filter {
            tool: Some("4".into()),
            ..Filter::default()
        };
        assert_eq!(tools(&ask(&files, &one, Some(3)).1), ["4"]);
    }

    #[test]
    fn what_is_no_record_is_counted_and_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (mut sink, files) = audit_in(&folder, u64::MAX);
        keep(&mut sink, 0..2);
        let text = fs::read_to_string(&files[0]).unwrap();
        fs::write(&files[0], format!("garbage\n[]\n{text}{{\"unfin")).unwrap();
        let (summary, out) = ask(&files, &Filter::default(), None);
        assert_eq!(
            summary,
            Summary {
                shown: 2,
                unreadable: 2
            }
        );
        assert_eq!(tools(&out), ["0", "1"]);
    }

    #[test]
    fn following_misses_nothing_however_often_files_are_closed_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (mut sink, files) = audit_in(&folder, 700);
        keep(&mut sink, 0..3);
        let mut out = Vec::new();
        let what = Query {
            files: &files,
            filter: &Filter::default(),
            limit: Some(2),
            format: Format::Json,
        };
        let mut rounds = [3..4, 4..4, 4..5, 5..30, 30..31].into_iter();
        let mut wait = || {
            let Some(round) = rounds.next() else {
                return false;
            };
            keep(&mut sink, round);
            true
        };
        let summary = query(&what, &mut out, &mut wait).unwrap();
        let expected: Vec<String> = (1..31).map(|tool| tool.to_string()).collect();
        assert_eq!(tools(&out), expected);
        assert_eq!(summary.shown, 30);
        assert!(closed_files(&files[0]).unwrap().len() > 5);
    }

    #[test]
    fn a_line_that_is_being_written_is_shown_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let files = [folder.path().join("audit.jsonl")];
        fs::write(&files[0], "{\"tool\":\"a\"}\n{\"to").unwrap();
        let mut out = Vec::new();
        let what = Query {
            files: &files,
            filter: &Filter::default(),
            limit: None,
            format: Format::Json,
        };
        let mut rounds = ["ol\":", "\"b\"}\n"].into_iter();
        let mut wait = || {
            let next = rounds.next();
            let mut file = File::options().append(true).open(&files[0]).unwrap();
            next.is_some_and(|next| file.write_all(next.as_bytes()).is_ok())
        };
        query(&what, &mut out, &mut wait).unwrap();
        assert_eq!(tools(&out), ["a", "b"]);
    }

    #[test]
    fn a_reader_that_has_gone_ends_the_query_and_a_missing_file_is_an_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let (mut sink, files) = audit_in(&folder, u64::MAX);
        let ask = |format| {
            let what = Query {
                files: &files,
                filter: &Filter::default(),
                limit: None,
                format,
            };
            query(&what, &mut Gone, &mut || true)
        };
        let error = ask(Format::Json).unwrap_err();
        assert!(error.to_string().contains("audit.jsonl"));
        keep(&mut sink, 0..2);
        for format in [Format::Json, Format::Table, Format::Csv] {
            assert!(ask(format).is_ok());
        }
    }
}

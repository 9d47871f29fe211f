//! Reads files of lines one by one, never more than a line at a time however long it claims to be.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    thread,
    time::{Duration, Instant},
};

use super::chain::MAX_LINE;

/// How long a reader waits for a batch that is being written.
const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line, without its end.
    Whole(&'a [u8]),
    /// What follows the last line.
    Unfinished(&'a [u8]),
    /// A line that is longer than any of ours; nothing after it is read.
    TooLong,
    /// Nothing.
    End,
}

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(64 * 1024, reader),
            line: Vec::new(),
        }
    }

    /// Reads what comes next. What was unfinished is gone on with, should there be more by now.
    pub(super) fn next(&mut self) -> io::Result<Line<'_>> {
        if self.line.last() == Some(&b'\n') {
            self.line.clear();
        }
        let left = (MAX_LINE + 2).saturating_sub(self.line.len());
        let mut limited = self.reader.by_ref().take(left as u64);
        limited.read_until(b'\n', &mut self.line)?;
        Ok(match self.line.as_slice() {
            [] => Line::End,
            [line @ .., b'\n'] => Line::Whole(line),
            line if line.len() > MAX_LINE => Line::TooLong,
            unfinished => Line::Unfinished(unfinished),
        })
    }
}

/// How long `file` is between two batches; writers hold its lock while they write one.
pub(super) fn settled_length(file: &File) -> io::Result<u64> {
    let until = Instant::now() + PATIENCE;
    while file.try_lock_shared().is_err() && Instant::now() < until {
        thread::sleep(BETWEEN_TRIES);
    }
    let length = file.metadata().map(|metadata| metadata.len());
    // Not to have had the lock is no failure.
    let _unlocked = file.unlock();
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_what_has_no_end_is_told_apart() {
        let mut lines = Lines::new(&b"ab\n\nc"[..]);
        assert_eq!(lines.next().unwrap(), Line::Whole(b"ab"));
        assert_eq!(lines.next().unwrap(), Line::Whole(b""));
        assert_eq!(lines.next().unwrap(), Line::Unfinished(b"c"));
        assert_eq!(lines.next().unwrap(), Line::Unfinished(b"c"));
        assert_eq!(Lines::new(&b""[..]).next().unwrap(), Line::End);
    }

    #[test]
    fn a_file_that_stays_locked_is_waited_for_and_not_forever() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = file.reopen().unwrap();
        writer.lock().unwrap();
        let began = Instant::now();
        assert_eq!(settled_length(file.as_file()).unwrap(), 0);
        assert!(began.elapsed() >= PATIENCE);
    }

    #[test]
    fn an_endless_line_is_not_read_into_memory() {
        let longest = [vec![b'x'; MAX_LINE], vec![b'\n']].concat();
        assert!(matches!(
            Lines::new(&longest[..]).next().unwrap(),
            Line::Whole(_)
        ));
        let mut lines = Lines::new(io::repeat(b'x'));
        assert_eq!(lines.next().unwrap(), Line::TooLong);
        assert_eq!(lines.next().unwrap(), Line::TooLong);
        assert!(lines.line.capacity() <= 4 * MAX_LINE);
    }
}

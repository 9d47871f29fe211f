//! The end of a file of lines: its last line, and what an interrupted write left behind it.
//!
//! It reads no more than the end, however long the file is.

use std::{fs::File, io, os::unix::fs::FileExt};

use crate::audit::chain::MAX_LINE;

/// Longer than most ends are.
const FIRST_LOOK: u64 = 16 * 1024;
/// A whole line before an unfinished one, each as long as can be.
const LAST_LOOK: u64 = 2 * (MAX_LINE as u64 + 1);

/// The end of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The last line that has an end, without it. `None`: there is none in the file.
    pub(super) last: Option<Vec<u8>>,
    /// Where that line ends: how much of the file is whole.
    pub(super) whole: u64,
    /// What follows.
    pub(super) unfinished: Vec<u8>,
}

/// Reads the end of the first `length` bytes of `file`. `None`: its lines are longer than any of
/// ours.
pub(super) fn read(file: &File, length: u64) -> io::Result<Option<Tail>> {
    let mut look = FIRST_LOOK;
    loop {
        let start = length.saturating_sub(look);
        let mut end = vec![0; usize::try_from(length - start).map_err(io::Error::other)?];
        file.read_exact_at(&mut end, start)?;
        if let Some(tail) = find(&end, start) {
            return Ok(Some(tail));
        }
        if look == LAST_LOOK {
            return Ok(None);
        }
        look = (look * 8).min(LAST_LOOK);
    }
}

/// The first line of the first `length` bytes of `file`, without its end; `None`: there is none, or
/// it is longer than any of ours.
pub(super) fn first_line(file: &File, length: u64) -> io::Result<Option<Vec<u8>>> {
    let look = usize::try_from(length)
        .unwrap_or(usize::MAX)
        .min(MAX_LINE + 1);
    let mut start = vec![0; look];
    file.read_exact_at(&mut start, 0)?;
    let end = memchr::memchr(b'\n', &start);
    Ok(end.map(|end| {
        start.truncate(end);
        start
    }))
}

/// The tail in `end`, which begins at `start` of the file; `None` if more must be seen.
fn find(end: &[u8], start: u64) -> Option<Tail> {
    let is_all = start == 0;
    let Some(newline) = memchr::memrchr(b'\n', end) else {
        return is_all.then(|| Tail {
            last: None,
            whole: 0,
            unfinished: end.to_vec(),
        });
    };
    let (lines, unfinished) = end.split_at_checked(newline + 1)?;
    let lines = lines.strip_suffix(b"\n")?;
    let last = match memchr::memrchr(b'\n', lines) {
        Some(before) => lines.get(before + 1..)?,
        None if is_all => lines,
        None => return None,
    };
    Some(Tail {
        last: Some(last.to_vec()),
        whole: start + newline as u64 + 1,
        unfinished: unfinished.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn tail_of(bytes: &[u8]) -> Option<Tail> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        read(&file, bytes.len() as u64).unwrap()
    }

    #[test]
    fn the_last_line_and_what_is_left_behind_it_are_found() {
        let tail = |last: Option<&str>, whole, unfinished: &str| {
            Some(Tail {
                last: last.map(|last| last.as_bytes().to_vec()),
                whole,
                unfinished: unfinished.as_bytes().to_vec(),
            })
        };
        assert_eq!(tail_of(b""), tail(None, 0, ""));
        assert_eq!(tail_of(b"ab"), tail(None, 0, "ab"));
        assert_eq!(tail_of(b"\n"), tail(Some(""), 1, ""));
        assert_eq!(tail_of(b"ab\n"), tail(Some("ab"), 3, ""));
        assert_eq!(tail_of(b"ab\ncd\ne"), tail(Some("cd"), 6, "e"));
    }

    #[test]
    fn long_lines_are_found_up_to_the_longest_that_there_can_be() {
        let longest = "x".repeat(MAX_LINE);
        for unfinished in ["", "y", &longest] {
            let bytes = format!("first\n{longest}\n{unfinished}");
            let tail = tail_of(bytes.as_bytes()).unwrap();
            assert_eq!(tail.last.unwrap().len(), MAX_LINE);
            assert_eq!(tail.unfinished.len(), unfinished.len());
            assert_eq!(tail.whole as usize, bytes.len() - unfinished.len());
        }
        let endless = "x".repeat(3 * MAX_LINE);
        assert_eq!(tail_of(endless.as_bytes()), None);
    }
}

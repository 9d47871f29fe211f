//! Which pages of a mapping exist: the kernel's `pagemap`, one word a page.
//!
//! It is asked so that a reservation of a gigabyte of which a page was touched costs a page, and
//! so that reading a page never brings it into being in the scanned process.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _};

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
/// A guard page made with `MADV_GUARD_INSTALL`: it takes the form of a swapped page, and holds
/// nothing.
const GUARD: u64 = 1 << 58;

/// How many pages are asked for at once.
const BATCH: usize = 4096;

/// The parts of `addresses` that hold pages of the process, in order, each at most `longest`
/// bytes long.
pub(super) fn pages(
    pagemap: &File,
    addresses: &Range<u64>,
    page_bytes: u64,
    longest: u64,
) -> io::Result<Vec<Range<u64>>> {
    let mut parts: Vec<Range<u64>> = Vec::new();
    let mut words = vec![0; BATCH * 8];
    let mut page = addresses.start / page_bytes;
    let end = addresses.end / page_bytes;
    while page < end {
        let wanted = usize::try_from(end - page).map_or(BATCH, |left| left.min(BATCH));
        let words = &mut words[..wanted * 8];
        pagemap.read_exact_at(words, page * 8)?;
        for word in words.as_chunks::<8>().0 {
            if holds_something(u64::from_ne_bytes(*word)) {
                let start = page * page_bytes;
                match parts.last_mut() {
                    Some(part) if part.end == start && part.end - part.start < longest => {
                        part.end += page_bytes;
                    }
                    _ => parts.push(start..start + page_bytes),
                }
            }
            page += 1;
        }
    }
    Ok(parts)
}

fn holds_something(word: u64) -> bool {
    word & PRESENT != 0 || (word & SWAPPED != 0 && word & GUARD == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_pages_that_exist_are_named_in_parts_of_bounded_length() {
        let mut file = tempfile::tempfile().unwrap();
        let words = [
            0,
            PRESENT,
            PRESENT,
            PRESENT,
            0,
            SWAPPED,
            SWAPPED | GUARD,
            PRESENT,
        ];
        for word in words {
            file.write_all(&u64::to_ne_bytes(word)).unwrap();
        }
        let parts = pages(&file, &(0..8 * 4096), 4096, 2 * 4096).unwrap();
        assert_eq!(
            parts,
            [
                0x1000..0x3000,
                0x3000..0x4000,
                0x5000..0x6000,
                0x7000..0x8000
            ]
        );
    }

    #[test]
    fn a_pagemap_that_ends_early_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        assert!(pages(&file, &(0..4096), 4096, 4096).is_err());
    }
}

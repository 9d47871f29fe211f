//! The map of a process's memory, as the kernel writes it in `smaps`.
//!
//! `smaps` rather than `maps`, because only it tells the pool from other memory: the pool is the
//! private anonymous mapping of just its size that is left out of core dumps and of forks. It
//! can be told so whether or not its pages could be locked, and without a word from the process.

use std::ops::Range;

use super::super::pool;

/// Pages that the kernel lends to every process. They hold its clock and its entry points, cannot
/// be written by the process, and cannot be read from outside.
const KERNEL_PAGES: [&str; 3] = ["[vvar]", "[vvar_vclock]", "[vsyscall]"];

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) addresses: Range<u64>,
    pub(super) name: String,
    permissions: String,
    flags: Vec<String>,
}

impl Region {
    /// Whether the process may have put something here that no other process sees.
    pub(super) fn is_private(&self) -> bool {
        self.permissions.ends_with('p') && !KERNEL_PAGES.contains(&self.name.as_str())
    }

    /// Whether this is a locked pool.
    pub(super) fn is_pool(&self, page_bytes: u64) -> bool {
        let has = |wanted: &str| self.flags.iter().any(|flag| flag == wanted);
        self.permissions == "rw-p"
            && !self.name.starts_with('/')
            && self.addresses.end - self.addresses.start == pool::PAGES as u64 * page_bytes
            && has("dd")
            && has("dc")
    }
}

/// Reads `smaps`; `None` if it is not in the form that the kernel documents.
pub(super) fn parse(smaps: &str) -> Option<Vec<Region>> {
    let mut regions: Vec<Region> = Vec::new();
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            regions.last_mut()?.flags = flags.split_whitespace().map(str::to_owned).collect();
        } else if !line.split_whitespace().next()?.ends_with(':') {
            regions.push(header(line)?);
        }
    }
    regions
        .iter()
        .all(|region| !region.flags.is_empty())
        .then_some(regions)
}

/// `55911ba4a000-55911ba4c000 r--p 00000000 fe:00 247030    /usr/bin/cat`
fn header(line: &str) -> Option<Region> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let address = |hex| u64::from_str_radix(hex, 16).ok();
    let permissions = words.next().filter(|word| word.len() == 4)?;
    Some(Region {
        addresses: address(start)?..address(end)?,
        name: words.skip(3).collect::<Vec<_>>().join(" "),
        permissions: permissions.to_owned(),
        flags: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55911ba4a000-55911ba4c000 r--p 00000000 fe:00 247030                     /usr/bin/a b
Size:                  8 kB
VmFlags: rd mr mw me
7f0000000000-7f0000010000 rw-p 00000000 00:00 0
Size:                 64 kB
VmFlags: rd wr mr mw me dc lo dd
7f0000010000-7f0000011000 ---p 00000000 00:00 0                          [anon:x]
VmFlags: mr mw me
7ffd00000000-7ffd00004000 r--p 00000000 00:00 0                          [vvar]
VmFlags: rd mr pf io de dd
7ffe00000000-7ffe00001000 rw-s 00000000 00:01 5                          /dev/zero (deleted)
VmFlags: rd wr sh mr mw me ms
";

    #[test]
    fn the_pool_and_the_kernels_pages_are_told_from_the_rest() {
        let regions = parse(SMAPS).unwrap();
        let private: Vec<bool> = regions.iter().map(Region::is_private).collect();
        let pool: Vec<bool> = regions.iter().map(|region| region.is_pool(4096)).collect();
        assert_eq!(private, [true, true, true, false, false]);
        assert_eq!(pool, [false, true, false, false, false]);
        assert_eq!(regions[0].name, "/usr/bin/a b");
        assert_eq!(regions[2].addresses, 0x7f00_0001_0000..0x7f00_0001_1000);
    }

    #[test]
    fn a_map_in_another_form_is_not_understood_rather_than_read_in_part() {
        assert_eq!(parse("nonsense"), None);
        assert_eq!(parse("1000-2000 rw-p 00000000 00:00 0\n"), None);
        assert_eq!(parse("VmFlags: rd\n"), None);
        assert_eq!(parse(""), Some(Vec::new()));
    }
}

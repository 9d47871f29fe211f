//! Reading another process's memory, all of it, and counting what is left of a key there.
//!
//! The files were opened at the exec stop and stay bound to that one address space: a later
//! process with the same id is never read by mistake, and hardening does not close them. The map
//! is read anew at each scan. A part that cannot be read fails the scan.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _};

use nix::{
    errno::Errno,
    unistd::{SysconfVar, sysconf},
};
use zeroize::Zeroizing;

use super::{
    Needle, NotMeasured, Report,
    matcher::Matcher,
    pagemap,
    regions::{self, Region},
};

/// How much is read at once.
const PART_BYTES: u64 = 1 << 20;

/// How often a scan starts over because a mapping vanished under it.
const ATTEMPTS: usize = 5;

/// The memory of a process that was started by [`super::ScannedProcess`].
#[derive(Debug)]
pub struct ProcessMemory {
    contents: File,
    map: File,
    pages: File,
    page_bytes: u64,
}

/// Why an attempt failed: for good, or because the memory changed meanwhile.
enum Failure {
    Final(NotMeasured),
    Moved(NotMeasured),
}

impl ProcessMemory {
    /// Opens the memory of the process, which must be at its exec stop.
    pub(super) fn open(process: u32) -> Result<Self, NotMeasured> {
        let open = |name: &str| {
            File::open(format!("/proc/{process}/{name}")).map_err(|error| {
                NotMeasured::new(format!("/proc/PID/{name} could not be opened: {error}"))
            })
        };
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        Ok(Self {
            contents: open("mem")?,
            map: open("smaps")?,
            pages: open("pagemap")?,
            page_bytes: page_bytes
                .and_then(|bytes| u64::try_from(bytes).ok())
                .ok_or_else(|| NotMeasured::new("the page size is unknown"))?,
        })
    }

    /// Looks for each needle in every private mapping of the process; one report a needle.
    ///
    /// It takes tens of milliseconds and blocks: call it where blocking is allowed. The process
    /// runs on meanwhile, so a key that is being moved at that moment may be counted twice or, in
    /// theory, not at all: measure at rest, or while the process waits.
    ///
    /// # Errors
    /// [`NotMeasured`] if the process has ended, or any private part of it could not be read.
    pub fn scan(&self, needles: &[Needle]) -> Result<Vec<Report>, NotMeasured> {
        let mut attempts = 1;
        loop {
            match self.attempt(needles) {
                Ok(reports) => return Ok(reports),
                Err(Failure::Moved(_)) if attempts < ATTEMPTS => attempts += 1,
                Err(Failure::Final(error) | Failure::Moved(error)) => return Err(error),
            }
        }
    }

    fn attempt(&self, needles: &[Needle]) -> Result<Vec<Report>, Failure> {
        let regions = self.regions().map_err(Failure::Final)?;
        let pool: Vec<Range<u64>> = regions
            .iter()
            .filter(|region| region.is_pool(self.page_bytes))
            .map(|region| region.addresses.clone())
            .collect();
        let mut matcher = Matcher::new(needles);
        let mut totals = Report {
            pool_found: !pool.is_empty(),
            ..Report::default()
        };
        let mut buffer = Zeroizing::new(Vec::new());
        for region in regions.iter().filter(|region| region.is_private()) {
            let read = self
                .read(region, &mut buffer, &mut matcher)
                .map_err(|error| Failure::Moved(unreadable(region, &error)))?;
            totals.bytes_read += read;
            totals.bytes_untouched += region.addresses.end - region.addresses.start - read;
        }
        let findings = matcher.finish(&pool).into_iter();
        Ok(findings
            .map(|[inside, outside]| Report {
                inside,
                outside,
                ..totals
            })
            .collect())
    }

    /// The map, as it is now.
    fn regions(&self) -> Result<Vec<Region>, NotMeasured> {
        let (mut text, mut part) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match self.map.read_at(&mut part, text.len() as u64) {
                Ok(0) => break,
                Ok(read) => text.extend_from_slice(&part[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Once the process is reaped; until then its map is empty.
                Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {
                    return Err(ended());
                }
                Err(error) => {
                    return Err(NotMeasured::new(format!(
                        "its map could not be read: {error}"
                    )));
                }
            }
        }
        let regions = regions::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| {
            NotMeasured::new("the kernel's map has a form that is not understood")
        })?;
        if regions.is_empty() {
            return Err(ended());
        }
        Ok(regions)
    }

    /// Feeds what exists of `region` to `matcher`, and tells how much that was.
    fn read(
        &self,
        region: &Region,
        buffer: &mut Vec<u8>,
        matcher: &mut Matcher<'_>,
    ) -> io::Result<u64> {
        let mut read = 0;
        for part in pagemap::pages(&self.pages, &region.addresses, self.page_bytes, PART_BYTES)? {
            let bytes = part.end - part.start;
            buffer.resize(usize::try_from(bytes).map_err(io::Error::other)?, 0);
            self.contents.read_exact_at(buffer, part.start)?;
            matcher.feed(part.start, buffer);
            read += bytes;
        }
        Ok(read)
    }
}

fn ended() -> NotMeasured {
    NotMeasured::new("the process has ended")
}

fn unreadable(region: &Region, error: &io::Error) -> NotMeasured {
    let name = if region.name.is_empty() {
        "unnamed"
    } else {
        &region.name
    };
    let Range { start, end } = region.addresses;
    NotMeasured::new(format!(
        "private memory at {start:x}-{end:x} ({name}) is unreadable: {error}"
    ))
}

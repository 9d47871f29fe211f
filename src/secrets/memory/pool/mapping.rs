//! The pages under the pool: mapped, guarded, locked, and unmapped with the last buffer.
//!
//! It stands apart so that the raw addresses stay in one short file. It knows nothing of who owns
//! which byte; its callers answer for that.
#![expect(unsafe_code, reason = "maps memory and makes slices of it")]

use std::{num::NonZeroUsize, ops::Range, ptr::NonNull, slice};

use nix::{
    errno::Errno,
    sys::mman::{self, MapFlags, ProtFlags},
    unistd::{SysconfVar, sysconf},
};

use super::super::platform::{self, Pages};

/// Private anonymous memory between two guard pages.
#[derive(Debug)]
pub(super) struct Mapping {
    whole: Pages,
    inner: Pages,
    pub(super) page_bytes: usize,
    /// Whether the pages are locked into memory; `None` if that was not wanted.
    pub(super) locked: Option<Result<(), Errno>>,
    /// Whether they stay out of core dumps and forked children.
    pub(super) private: Result<(), String>,
}

// SAFETY: the mapping is plain memory that belongs to no thread; who may touch which byte is the
// contract of `bytes_of` and `bytes_mut`.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `pages` usable pages, and locks them if `wants_lock`.
    pub(super) fn reserve(pages: usize, wants_lock: bool) -> Result<Self, String> {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE)
            .ok()
            .flatten()
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or("the page size is unknown")?;
        let bytes = |pages| NonZeroUsize::new(pages * page_bytes).ok_or("no pages");
        let (whole_bytes, inner_bytes) = (bytes(pages + 2)?, bytes(pages)?);
        let mapped = |errno: Errno| format!("mmap: {}", errno.desc());
        // SAFETY: the kernel chooses an address that nothing else uses. The inner pages lie one
        // page inside both ends of the mapping, so making them usable touches nothing else.
        unsafe {
            let flags = MapFlags::MAP_PRIVATE;
            let start = mman::mmap_anonymous(None, whole_bytes, ProtFlags::PROT_NONE, flags)
                .map_err(mapped)?;
            let whole = Pages {
                start,
                bytes: whole_bytes,
            };
            let inner = Pages {
                start: start.byte_add(page_bytes),
                bytes: inner_bytes,
            };
            let usable = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            if let Err(errno) = mman::mprotect(inner.start, inner.bytes.get(), usable) {
                let _unmapped = mman::munmap(whole.start, whole.bytes.get());
                return Err(format!("mprotect: {}", errno.desc()));
            }
            let private = platform::keep_private(inner);
            let locked = wants_lock.then(|| mman::mlock(inner.start, inner.bytes.get()));
            Ok(Self {
                whole,
                inner,
                page_bytes,
                locked,
                private,
            })
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.inner.bytes.get()
    }

    pub(super) fn address_range(&self) -> Range<u64> {
        let start = self.inner.start.addr().get() as u64;
        start..start + self.bytes() as u64
    }

    /// The bytes at `range`.
    ///
    /// # Safety
    /// Nobody may change them while the slice lives.
    pub(super) unsafe fn bytes_of(&self, range: &Range<usize>) -> &[u8] {
        // SAFETY: `first` checks the range; the pages were zeroed by the kernel; the caller
        // answers for changes.
        unsafe { slice::from_raw_parts(self.first(range).as_ptr(), range.len()) }
    }

    /// The bytes at `range`, to change them.
    ///
    /// # Safety
    /// Nobody else may refer to them while the slice lives.
    #[expect(
        clippy::mut_from_ref,
        reason = "the caller owns the range, not the mapping"
    )]
    pub(super) unsafe fn bytes_mut(&self, range: &Range<usize>) -> &mut [u8] {
        // SAFETY: as in `bytes_of`; the caller answers for aliases.
        unsafe { slice::from_raw_parts_mut(self.first(range).as_ptr(), range.len()) }
    }

    fn first(&self, range: &Range<usize>) -> NonNull<u8> {
        assert!(
            range.start <= range.end && range.end <= self.bytes(),
            "outside the pool"
        );
        // SAFETY: the assertion keeps the sum inside the mapping.
        unsafe { self.inner.start.cast::<u8>().add(range.start) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the last buffer is gone, and each wiped its bytes.
        let _unmapped = unsafe { mman::munmap(self.whole.start, self.whole.bytes.get()) };
    }
}

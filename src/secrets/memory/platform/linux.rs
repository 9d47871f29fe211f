//! Linux: everything Keyward asks for is there.
#![expect(
    unsafe_code,
    reason = "calls that act on memory by address, and a bare one"
)]

use nix::{
    libc,
    sys::{
        mman::{self, MmapAdvise},
        prctl,
        resource::{self, Resource},
    },
};

use super::{EnvironmentBlock, Pages};

/// Makes the process's memory, environment and file table unreadable to its own user's other
/// processes, from now on.
pub(in crate::secrets::memory) fn refuse_inspection() -> Result<(), String> {
    prctl::set_dumpable(false).map_err(|errno| format!("PR_SET_DUMPABLE: {}", errno.desc()))
}

/// Keeps the files that this process was started with from the programs that it starts: what is
/// opened later is kept anyway.
pub(in crate::secrets::memory) fn withhold_files() -> Result<(), String> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: it marks descriptors and closes none, so that whoever uses one goes on using it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    // Linux 5.11 and later.
    nix::errno::Errno::result(done)
        .map(drop)
        .map_err(|errno| format!("close_range: {}", errno.desc()))
}

/// Keeps `pages` out of core dumps and out of forked children.
pub(in crate::secrets::memory) fn keep_private(pages: Pages) -> Result<(), String> {
    // SAFETY: the pages are mapped and owned by the caller; neither advice changes what they
    // hold in this process.
    unsafe {
        mman::madvise(pages.start, pages.bytes.get(), MmapAdvise::MADV_DONTDUMP)
            .map_err(|errno| format!("MADV_DONTDUMP: {}", errno.desc()))?;
        mman::madvise(pages.start, pages.bytes.get(), MmapAdvise::MADV_DONTFORK)
            .map_err(|errno| format!("MADV_DONTFORK: {}", errno.desc()))
    }
}

/// How many bytes this process may lock; `None` if there is no limit.
pub(in crate::secrets::memory) fn lock_limit() -> Option<u64> {
    let (soft, _) = resource::getrlimit(Resource::RLIMIT_MEMLOCK).ok()?;
    (soft != resource::RLIM_INFINITY).then_some(soft)
}

/// How many threads the process has; `None` if that cannot be told.
pub(in crate::secrets::memory) fn thread_count() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// The environment block.
pub(in crate::secrets::memory) fn environment_block() -> EnvironmentBlock {
    unsafe extern "C" {
        static environ: *mut *mut libc::c_char;
    }
    // SAFETY: the C library defines `environ`; it is only read here, as a pointer.
    unsafe { environ }
}

//! Other Unix systems: what POSIX offers, and words for what it does not.
#![expect(unsafe_code, reason = "the C library's environment pointer")]

use nix::libc;

use super::{EnvironmentBlock, Pages};

/// Cannot be done portably: says so.
pub(in crate::secrets::memory) fn refuse_inspection() -> Result<(), String> {
    Err("only Linux can make a process unreadable to its own user".to_owned())
}

/// Cannot be done portably: says so.
pub(in crate::secrets::memory) fn withhold_files() -> Result<(), String> {
    Err("only Linux can mark all open files at once".to_owned())
}

/// Cannot be done portably: says so.
pub(in crate::secrets::memory) fn keep_private(_pages: Pages) -> Result<(), String> {
    Err("only Linux can leave single pages out of core dumps".to_owned())
}

/// Unknown: the limit's name is not portable.
pub(in crate::secrets::memory) fn lock_limit() -> Option<u64> {
    None
}

/// Cannot be told portably.
pub(in crate::secrets::memory) fn thread_count() -> Option<usize> {
    None
}

/// The environment block.
pub(in crate::secrets::memory) fn environment_block() -> EnvironmentBlock {
    unsafe extern "C" {
        static environ: *mut *mut libc::c_char;
    }
    // SAFETY: the C library defines `environ`; it is only read here, as a pointer.
    unsafe { environ }
}

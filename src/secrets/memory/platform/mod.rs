//! What each operating system can do for memory that holds keys, behind one set of functions.
//!
//! It stands apart so that the rest of the room is the same everywhere: a function that a system
//! cannot fulfil says so in words, and `check` prints them. It must never pretend.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::*;

#[cfg(all(unix, not(target_os = "linux")))]
mod other_unix;
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) use other_unix::*;

#[cfg(not(unix))]
compile_error!(
    "Keyward locks and hardens its memory with Unix calls. On Windows, build and run it inside \
     WSL (Windows Subsystem for Linux)."
);

use std::{ffi::c_char, num::NonZeroUsize, ptr::NonNull};

/// A run of pages, mapped and owned by whoever holds the value of this type.
#[derive(Debug, Clone, Copy)]
pub(in crate::secrets::memory) struct Pages {
    /// The first byte.
    pub(in crate::secrets::memory) start: NonNull<std::ffi::c_void>,
    /// How many bytes.
    pub(in crate::secrets::memory) bytes: NonZeroUsize,
}

/// The environment block as the C library sees it: pointers to `NAME=value`, ended by null.
pub(in crate::secrets::memory) type EnvironmentBlock = *mut *mut c_char;

//! The proof is an ordinary user's: root may read any memory and lock as much of it as it likes.
//!
//! Where the tests run as root, the thread that tries a promise becomes an ordinary user first.
//! Linux keeps rights per thread, and every process and file that the thread makes is its user's;
//! the servers of the other tests stay what they are. Nothing is skipped.
#![expect(
    unsafe_code,
    reason = "libc's own calls change all threads; the bare system calls change one"
)]

use std::{panic::resume_unwind, process::Command, thread};

use nix::{errno::Errno, libc, unistd::geteuid};

use crate::support::{process::Process, runtime};

/// The user id that no file belongs to.
const NOBODY: libc::uid_t = 65534;

/// Runs `test` as an ordinary user.
pub fn tries(test: impl FnOnce() + Send) {
    if !geteuid().is_root() {
        return test();
    }
    // What all tests share must be made by root: the thread that starts servers, and the runtime.
    runtime::handle();
    Process::start("true", Command::new("true")).wait();
    let tried = thread::scope(|scope| {
        let as_nobody = || {
            become_nobody();
            test();
        };
        scope.spawn(as_nobody).join()
    });
    tried.unwrap_or_else(|panic| resume_unwind(panic));
}

fn become_nobody() {
    // SAFETY: three system calls without pointers to anything but an empty list.
    let done = unsafe {
        libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) == 0
            && libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY) == 0
            && libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) == 0
    };
    assert!(done, "root cannot become user {NOBODY}: {}", Errno::last());
    assert_eq!(geteuid().as_raw(), NOBODY);
}

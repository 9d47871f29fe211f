//! The `keyward` binary: hardens the process, runs one command, answers with its exit code.
//!
//! The allocator is set here and nowhere else, so that a test can build the same library with
//! the system's allocator and show that the memory scanner notices the difference.

use std::{alloc::System, process::ExitCode};

use zeroizing_alloc::ZeroAlloc;

/// Every freed block is overwritten: keys pass through buffers of the HTTP stack that no type of
/// ours can wipe.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    keyward::cli::main()
}

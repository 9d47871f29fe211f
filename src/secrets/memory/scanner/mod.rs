//! The scanner: what is left of a key in another process, counted from outside.
//!
//! A hardened process cannot be read by its own user. So the scanner starts it, under
//! `PTRACE_TRACEME`, opens its memory at the exec stop, when nothing is hardened yet, detaches,
//! and keeps the files open. An ordinary user may do that, the process runs as it would without,
//! and no switch exists that weakens it.
//!
//! The key's forms live in this process only; the scanned one never sees them. Every private
//! mapping is read, stacks and inaccessible pages included. What cannot be read, or a system that
//! cannot do this, is [`NotMeasured`]; nothing here ever turns "not seen" into zero.

mod canary;
mod huffman;
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing can be looked at there")
)]
mod matcher;
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing can be looked at there")
)]
mod needle;
mod report;

#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod pagemap;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod regions;
#[cfg(not(target_os = "linux"))]
mod unsupported;

pub use canary::Canary;
pub use needle::{Needle, SHORTEST_KEY, UnusableNeedle};
pub use report::{Findings, NotMeasured, Report};

#[cfg(target_os = "linux")]
pub use self::{memory::ProcessMemory, process::ScannedProcess};
#[cfg(not(target_os = "linux"))]
pub use unsupported::{ProcessMemory, ScannedProcess};

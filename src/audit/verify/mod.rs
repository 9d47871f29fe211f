//! Verification: whether files of records are what was written.

mod checkpoints;
mod report;
mod walk;

pub use report::{Fault, FaultKind, Report, Unfinished};
pub use walk::{Unverifiable, Verification, verify};

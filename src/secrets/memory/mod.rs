//! Memory that holds keys, and the process that holds the memory: the only room with `unsafe`.
//!
//! [`harden`] is the first thing the process does. [`Pool`] is where key material rests: locked,
//! kept out of core dumps, wiped when freed. [`take_environment`] moves keys out of the
//! environment block before any thread exists. [`scanner`] looks at another process from outside
//! and counts what is left of a key there; it is how the claims made here are measured.
//!
//! This room knows no secret's name and no store. What only Linux can do sits in `platform`.

mod config;
mod environment;
mod harden;
mod platform;
mod pool;
pub mod scanner;
mod slots;

pub use config::{Lock, MemorySettings};
pub use environment::{Taken, TakenEnvironment, ThreadsRunning, take_environment};
pub use harden::{Absent, Protections, harden};
pub use pool::report::{Locking, PoolReport};
pub use pool::{LockedBuffer, Pool, PoolFull};

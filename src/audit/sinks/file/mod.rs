//! The file sink: one file of lines that several processes may share.

mod config;
mod journal;
mod place;
mod rotation;
mod signer;
mod sink;
mod tail;

pub use config::{CheckpointSettings, FileSettings, Fsync};
pub use signer::SigningKey;
pub use sink::FileSink;

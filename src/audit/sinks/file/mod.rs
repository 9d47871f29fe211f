//! The file sink: one file of lines that several processes may share.

mod config;
mod journal;
mod place;
mod rotation;
mod signer;
mod sink;
mod tail;

pub use config::{CheckpointSettings, FileSettings, Fsync};
pub(in crate::audit) use rotation::closed_files;
pub use signer::SigningKey;
pub use sink::FileSink;

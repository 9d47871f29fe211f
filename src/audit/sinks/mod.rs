//! Where records go: one file a kind of place, each behind [`Sink`](super::Sink).

mod file;

pub(super) use file::closed_files;
pub use file::{CheckpointSettings, FileSettings, FileSink, Fsync, SigningKey};

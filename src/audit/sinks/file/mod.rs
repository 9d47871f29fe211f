//! The file sink: one file of lines that several processes may share.

mod config;

pub use config::{CheckpointSettings, FileSettings, Fsync};

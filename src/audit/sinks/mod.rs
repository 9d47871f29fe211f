//! Where records go: one file or folder a kind of place, each behind [`Sink`](super::Sink).

mod collector;
mod deadline;
mod file;
mod http;
mod labels;
mod otlp;
mod seal;
mod stdout;
mod syslog;

#[cfg(test)]
mod listener;

pub use collector::Credential;
pub(super) use file::closed_files;
pub use file::{CheckpointSettings, FileSettings, FileSink, Fsync, SigningKey};
pub use http::{HttpSink, HttpSinkSettings};
pub use otlp::{OtlpSettings, OtlpSink};
pub use seal::Seal;
pub use stdout::{StdoutSettings, StdoutSink};
pub use syslog::{Facility, SyslogSettings, SyslogSink};

//! The sink that writes to syslog (RFC 5424): to the daemon of this machine, or to one elsewhere
//! over TCP or UDP.

mod config;
mod message;
mod sink;
mod transport;

#[cfg(test)]
mod tests;

pub use config::{Facility, SyslogSettings};
pub use sink::SyslogSink;

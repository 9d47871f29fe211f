//! The sink that sends records as OTLP logs over HTTP, in the JSON encoding
//! (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! It is written by hand. The OpenTelemetry SDK exports behind the caller's back and does not tell
//! whether a record was taken, and a call may run only if its record was.

mod answer;
mod config;
mod encoding;
mod sink;

#[cfg(test)]
mod tests;

pub use config::OtlpSettings;
pub use sink::OtlpSink;

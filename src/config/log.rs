//! Settings of the log, the section `log:`.
//!
//! They stand in this room because every command has a log, also those that start no server. Logs
//! go to stderr; there is no setting that could send them elsewhere.

use serde::{Deserialize, Serialize};

/// The section `log:`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The least severe event that is written. Default: `info`.
    pub level: LogLevel,
    /// How an event is written. Default: `text`.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what an operator should look at.
    Warn,
    /// And one line for each call.
    #[default]
    Info,
    /// And the steps inside a call.
    Debug,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

//! Settings of the log.

use clap::ValueEnum;
use serde::Deserialize;

/// The section `log:`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How much is written: `error`, `warn`, `info` (default) or `debug`.
    pub level: LogLevel,
    /// `text` (default) for people, `json` for collectors, one object a line.
    pub format: LogFormat,
}

/// The least important events that are still written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what stopped something.
    Error,
    /// Also what an operator should look at.
    Warn,
    /// Also each call and its outcome.
    #[default]
    Info,
    /// Also each secret fetched, by name and version.
    Debug,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

//! What the command line and the environment say over the file.
//!
//! The values are kept as text and checked with the file's, so that a wrong one is told in the
//! same way and, unlike in the argument parser's own errors, is never repeated.

use super::Config;
use crate::{
    server::HttpSettings,
    settings::Problem,
    telemetry::{LogFormat, LogLevel},
};


/// Flags and variables that win over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Serve streamable HTTP at this address instead of stdio.
    pub http: Option<String>,
    /// How much is logged.
    pub log_level: Option<String>,
    /// How a log line is written.
    pub log_format: Option<String>,
    /// The model of a call that names none.
    pub default_model: Option<String>,
}

impl Overrides {
    /// Puts what is given into `config`; answers what cannot be.
    pub(super) fn apply(&self, config: &mut Config) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |name: &str, message: &str, help: &str| {
            problems.push(Problem::at([name], message, help));
        };
        // An empty variable is what `VAR= command` leaves: not given.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(text) = given(&self.http) {
            match text.parse() {
                Ok(listen) => {
                    config.server.http.get_or_insert_with(HttpSettings::default).listen = listen;
                }
                Err(_) => refuse(
                    "--http",
                    "`--http` or `KEYWARD_HTTP` is not an IP address and a port",
                    "write it as in `127.0.0.1:8787`",
                ),
            }
        }
        if let Some(text) = given(&self.log_level) {
            match text.as_str() {
                "error" => config.log.level = LogLevel::Error,
                "warn" => config.log.level = LogLevel::Warn,
                "info" => config.log.level = LogLevel::Info,
                "debug" => config.log.level = LogLevel::Debug,
                _ => refuse(
                    "--log-level",
                    "`--log-level` or `KEYWARD_LOG_LEVEL` is not a level",
                    "choose `error`, `warn`, `info` or `debug`",
                ),
            }
        }
        if let Some(text) = given(&self.log_format) {
            match text.as_str() {
                "text" => config.log.format = LogFormat::Text,
                "json" => config.log.format = LogFormat::Json,
                _ => refuse(
                    "--log-format",
                    "`--log-format` or `KEYWARD_LOG_FORMAT` is not a format",
                    "choose `text` or `json`",
                ),
            }
        }
        if let Some(model) = given(&self.default_model) {
            config.models.default = model;
        }
        problems
    }
}

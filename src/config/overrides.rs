//! What the command line and the environment say over the file.
//!
//! They come typed from the command line's parser; here they only take their places. Wins are
//! the same for every command, so no command reads a variable itself.

use std::net::SocketAddr;

use super::Config;
use crate::{
    models::PalEnvironment,
    server::HttpSettings,
    telemetry::{LogFormat, LogLevel},
};

/// Flags and variables that win over the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// `--http`, `KEYWARD_HTTP`: serve streamable HTTP here. What else HTTP needs (the token)
    /// comes from the file.
    pub http: Option<SocketAddr>,
    /// `--log-level`, `KEYWARD_LOG_LEVEL`.
    pub log_level: Option<LogLevel>,
    /// `--log-format`, `KEYWARD_LOG_FORMAT`.
    pub log_format: Option<LogFormat>,
    /// `--default-model`, `KEYWARD_DEFAULT_MODEL`. Empty is as good as absent.
    pub default_model: Option<String>,
    /// What the environment says of models, where the file names no provider.
    pub models: PalEnvironment,
}

impl Overrides {
    /// Puts what is given into `config`.
    pub(super) fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.http {
            config
                .server
                .http
                .get_or_insert_with(HttpSettings::default)
                .listen = listen;
        }
        if let Some(level) = self.log_level {
            config.log.level = level;
        }
        if let Some(format) = self.log_format {
            config.log.format = format;
        }
        // The file's own word wins over a variable that is not ours.
        if let Some(model) = self.models.default_model()
            && config.models.default == "auto"
            && config.models.providers.0.is_empty()
        {
            config.models.default = model.to_owned();
        }
        config.models.environment.clone_from(&self.models);
        if let Some(model) = self
            .default_model
            .as_ref()
            .filter(|model| !model.is_empty())
        {
            config.models.default.clone_from(model);
        }
    }
}

//! Settings of `file`: where a name's file is.
//!
//! Nothing is opened here: a file that is absent at start may be there when it is needed.

use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;

use super::{
    presence::Probe,
    provider::{FileProvider, validate},
};
use crate::{
    secrets::providers::{
        BuildContext, OnError, SecretProvider, registry::ProviderSettings, template::Template,
    },
    settings::Problem,
};

/// The section `secrets.providers.file`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSettings {
    /// Where the file of a name is, such as `/run/secrets/{name}`; with `#field` at its end if the
    /// files are JSON. `$CREDENTIALS_DIRECTORY/` in front is systemd's folder for this service.
    /// Default: that folder where the service has one, else `/run/secrets/{name}`.
    pub lookup: Option<String>,
    /// What the chain does when a file cannot be used: `stop` or `next`.
    pub on_error: OnError,
}

impl ProviderSettings for FileSettings {
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>> {
        let credentials = cx
            .environment
            .var("CREDENTIALS_DIRECTORY")
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute());
        let lookup = match (&self.lookup, &credentials) {
            (Some(lookup), _) => lookup.as_str(),
            (None, Some(_)) => "$CREDENTIALS_DIRECTORY/{name}",
            (None, None) => "/run/secrets/{name}",
        };
        let lookup = Template::new("file", lookup, validate).map_err(|problem| vec![problem])?;
        let config_dir = cx.config_dir.map(PathBuf::from);
        Ok(Arc::new(FileProvider {
            lookup,
            on_error: self.on_error,
            config_dir,
            credentials,
            probe: Probe::default(),
        }))
    }
}

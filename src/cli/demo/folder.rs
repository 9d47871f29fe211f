//! A folder of the demo's own for its configuration file, gone when the demo ends. No key is ever
//! written to it.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::DemoError;

/// The folder. Dropping it removes it.
pub(super) struct Folder {
    path: PathBuf,
    config: PathBuf,
}

impl Folder {
    /// A new folder that holds `config` as its configuration, readable by its owner alone.
    pub(super) fn with_config(config: &str) -> Result<Self, DemoError> {
        let failed = |error| DemoError::Setup(format!("cannot write a temporary file: {error}"));
        // A name that nobody can guess, made by us or not at all: no link can lie in wait.
        let name = format!("keyward-demo-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let folder = Self {
            config: path.join("config.yaml"),
            path,
        };
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&folder.config);
        file.and_then(|mut file| file.write_all(config.as_bytes()))
            .map_err(failed)?;
        Ok(folder)
    }

    pub(super) fn config(&self) -> &Path {
        &self.config
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed holds no key; the next clean-up of temporary files gets it.
        let _kept = fs::remove_dir_all(&self.path);
    }
}

//! What a call would do, told before it does it: so that the guard can judge it and the audit can
//! keep it.
//!
//! A plan is made without asking a server; then the files that it wants are read. What is planned is
//! what is done: a tool runs with the plan that was judged, and chooses nothing anew.

use super::{FileError, Files, WantedFile};
use crate::{models::Selected, workspace::Workspace};

/// What one call would use.
#[derive(Debug, Default)]
pub struct Plan {
    /// The model that would be asked.
    pub selected: Option<Selected>,
    /// Who would be asked in its place, in this order.
    pub instead: Vec<Selected>,
    /// The files that the call names and that are still to be read.
    pub wanted: Vec<WantedFile>,
    /// Those that were read.
    pub files: Files,
}

impl Plan {
    /// Reads the files that are wanted.
    ///
    /// # Errors
    /// The first that cannot be had.
    pub async fn read_files(&mut self, workspace: &Workspace) -> Result<(), FileError> {
        self.files = Files::read(self.wanted.clone(), workspace).await?;
        self.wanted.clear();
        Ok(())
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.selected
            .as_ref()
            .map(|selected| selected.model.as_str())
    }

    /// The model provider's name in configuration.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.selected
            .as_ref()
            .map(|selected| selected.provider.name())
    }

    /// The names of the secrets that the first model's provider would use.
    #[must_use]
    pub fn first_secrets(&self) -> Vec<String> {
        let selected = self.selected.as_ref();
        let secrets = selected.map(Selected::secrets);
        secrets.unwrap_or_default()
    }

    /// The names of the secrets that would be used, by whomever is asked.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let asked = self.selected.iter().chain(&self.instead);
        let mut secrets: Vec<String> = Vec::new();
        for name in asked.flat_map(Selected::secrets) {
            if !secrets.contains(&name) {
                secrets.push(name);
            }
        }
        secrets
    }
}

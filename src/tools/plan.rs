//! What a call would do, told before it does it: so that the guard can judge it and the audit can
//! keep it.
//!
//! A plan is made without reading a file or asking a server. What is planned is what is done: a
//! tool runs with the plan that was judged, and chooses nothing anew.

use crate::models::Selected;

/// What one call would use.
#[derive(Debug, Default)]
pub struct Plan {
    /// The model that would be asked.
    pub selected: Option<Selected>,
}

impl Plan {
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

    /// The names of the secrets that would be used.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let secret = self
            .selected
            .as_ref()
            .and_then(|selected| selected.provider.secret());
        secret.map(ToString::to_string).into_iter().collect()
    }
}

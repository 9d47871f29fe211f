//! Settings of `env`: which variable holds which secret.
//!
//! Names only. A value that is no variable's name is refused unseen, since a key pasted there is
//! the likeliest reason.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use super::provider::EnvProvider;
use crate::{
    secrets::{
        SecretName,
        providers::{
            BuildContext, OnError, SecretProvider, WELL_KNOWN,
            registry::{ProviderSettings, section},
        },
    },
    settings::Problem,
};

/// The section `secrets.providers.env`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvSettings {
    /// Which variable holds which secret, beside the well-known ones (`openai` is in
    /// `OPENAI_API_KEY` and so on).
    pub names: BTreeMap<String, String>,
    /// What the chain does when a variable's value is malformed: `stop` or `next`.
    pub on_error: OnError,
}

impl ProviderSettings for EnvSettings {
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut variables = BTreeMap::new();
        for known in WELL_KNOWN {
            variables.insert(known.secret.to_owned(), known.variable.to_owned());
        }
        for (name, variable) in &self.names {
            let mut path = section("env");
            path.extend(["names".to_owned(), name.clone()]);
            if let Err(invalid) = name.parse::<SecretName>() {
                problems.push(Problem::at(path, invalid.to_string(), "rename the secret"));
            } else if !is_variable(variable) {
                problems.push(Problem::at(
                    path,
                    "this is not the name of an environment variable",
                    "write the variable's name, such as `OPENAI_API_KEY`, never its value",
                ));
            } else {
                variables.insert(name.clone(), variable.clone());
            }
        }
        if problems.is_empty() {
            Ok(Arc::new(EnvProvider::new(
                variables,
                self.on_error,
                Arc::clone(cx.taken),
            )))
        } else {
            Err(problems)
        }
    }

    fn secret_variables(&self) -> Vec<String> {
        let known = WELL_KNOWN.iter().map(|known| known.variable.to_owned());
        known
            .chain(
                self.names
                    .values()
                    .filter(|name| is_variable(name))
                    .cloned(),
            )
            .collect()
    }
}

/// Whether a text can be the name of a variable: `[A-Za-z_][A-Za-z0-9_]*`, and no vendor's key.
pub(super) fn is_variable(text: &str) -> bool {
    let shaped = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    // The reference's own test for pasted keys; a key such as `AIza…` is shaped like a name.
    shaped
        && format!("env:{text}")
            .parse::<crate::secrets::Reference>()
            .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pasted_in_place_of_a_variable_is_refused() {
        assert!(is_variable("OPENAI_API_KEY") && is_variable("_x1"));
        for wrong in [
            "",
            "1A",
            "A-B",
            "A B",
            "AIzaSyA0123456789abcdef",
            "sk_live_0123456789abcdef",
        ] {
            assert!(!is_variable(wrong), "{wrong}");
        }
    }
}

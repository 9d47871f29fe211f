//! Settings of the broker: the chain, the providers and the names bound to references.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use super::{
    InvalidReference, Reference,
    providers::{Mentions, ProvidersSettings, SecretProvider},
};
use crate::settings::Problem;

/// The section `secrets:`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsSettings {
    /// The providers in which a name without a binding is looked up, in order. Default: `[env]`.
    pub chain: Option<Vec<String>>,
    /// Settings of each provider.
    pub providers: ProvidersSettings,
    /// Names bound to references.
    pub names: BTreeMap<String, NameSettings>,
}

/// One entry of `secrets.names`: exactly one of `ref` and `refs`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameSettings {
    /// The one place where the secret lives.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Several places, asked in order.
    #[serde(rename = "refs")]
    pub references: Option<Vec<String>>,
    /// How long a value may be kept. Only `0s` (not at all) in this version.
    pub ttl: Option<String>,
}

impl SecretsSettings {
    /// The chain in force.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        self.chain.clone().unwrap_or_else(|| vec!["env".to_owned()])
    }

    /// The providers that references name, each with the path of the first key that names it.
    #[must_use]
    pub fn mentions(&self) -> Mentions {
        let mut mentions = Mentions::new();
        for (name, bound) in &self.names {
            for (keys, text) in bound.written() {
                if let Ok(reference) = text.parse::<Reference>() {
                    let path = ["secrets", "names", name].map(str::to_owned).into_iter();
                    mentions
                        .entry(reference.provider().to_owned())
                        .or_insert_with(|| path.chain(keys).collect());
                }
            }
        }
        mentions
    }

    /// Every reference that parses, wherever it stands.
    pub fn references(&self) -> impl Iterator<Item = Reference> {
        self.names
            .values()
            .flat_map(NameSettings::written)
            .filter_map(|(_, text)| text.parse().ok())
    }
}

impl NameSettings {
    /// The references as written, each with the keys that lead to it.
    fn written(&self) -> Vec<(Vec<String>, &str)> {
        let one = self
            .reference
            .iter()
            .map(|text| (vec!["ref".to_owned()], text.as_str()));
        let many = self.references.iter().flatten().enumerate();
        let many = many.map(|(i, text)| (vec!["refs".to_owned(), i.to_string()], text.as_str()));
        one.chain(many).collect()
    }

    /// Parses the references, and lets each one's provider refuse it.
    pub(super) fn references(
        &self,
        name: &str,
        providers: &BTreeMap<&'static str, Arc<dyn SecretProvider>>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Reference> {
        let at = |keys: Vec<String>| {
            ["secrets", "names", name]
                .map(str::to_owned)
                .into_iter()
                .chain(keys)
        };
        let none = self.references.as_ref().is_some_and(Vec::is_empty);
        if none || self.reference.is_some() == self.references.is_some() {
            problems.push(Problem::at(
                at(vec![]),
                "a name is bound by either `ref` or `refs`",
                "write `ref: \"vault:secret/ai/openai#api_key\"`, or `refs:` with a list",
            ));
        }
        let mut references = Vec::new();
        for (keys, text) in self.written() {
            match check(text, providers) {
                Ok(reference) => references.push(reference),
                Err((message, help)) => problems.push(Problem::at(at(keys), message, help)),
            }
        }
        references
    }
}

fn check(
    text: &str,
    providers: &BTreeMap<&'static str, Arc<dyn SecretProvider>>,
) -> Result<Reference, (String, String)> {
    let reference: Reference = text.parse().map_err(|error: InvalidReference| {
        let help = match error {
            InvalidReference::LooksLikeKey => {
                "put the key into a secret store or an environment variable, name that place \
                 here, and replace the key: it has been in a file"
            }
            _ => "write `provider:path#field`, as in `env:OPENAI_API_KEY`",
        };
        (error.to_string(), help.to_owned())
    })?;
    // A provider that cannot be built is a problem of its own, told at its own place.
    if let Some(provider) = providers.get(reference.provider()) {
        provider
            .validate(&reference)
            .map_err(|help| ("this provider cannot serve this reference".to_owned(), help))?;
    }
    Ok(reference)
}

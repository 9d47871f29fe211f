//! Settings of the broker: the chain, the providers and the names bound to references.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, de};

use super::{
    InvalidReference, Reference,
    access::{Access, HostPattern},
    cache::Terms,
    exchange::{Exchange, ExchangeSettings},
    principal::WrittenReference,
    providers::{Mentions, ProvidersSettings, SecretProvider},
};
use crate::settings::{Problem, parse_duration, stated};

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

/// One entry of `secrets.names`: where a secret lives, how long it may be kept, and who may use
/// it. Without `ref` and `refs` the chain is asked for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameSettings {
    /// The one place where the secret lives. `{principal.sub}` in it stands for the caller.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Several places, asked in order.
    #[serde(rename = "refs")]
    pub references: Option<Vec<String>>,
    /// How long a value is kept, in locked memory. Default: `0s`, not at all: each request fetches
    /// its key.
    #[serde(deserialize_with = "optional_duration")]
    pub ttl: Option<Duration>,
    /// How long before the end of `ttl` a use fetches the value anew in the background, up to a
    /// quarter earlier by chance. Default: a fifth of `ttl`; `0s`: never.
    #[serde(deserialize_with = "optional_duration")]
    pub refresh_ahead: Option<Duration>,
    /// How long "nobody has it" is believed. Default: `0s`.
    #[serde(deserialize_with = "optional_duration")]
    pub negative_ttl: Option<Duration>,
    /// How long beyond `ttl` a kept value may be used while its store cannot be reached, is sealed
    /// or throttles; never beyond its lease, and never after an upstream refused it. Default: `0s`.
    #[serde(deserialize_with = "optional_duration")]
    pub stale_if_error: Option<Duration>,
    /// What the value is exchanged for before it is used: a token, which is kept for `ttl`, by default
    /// `50m`, and never beyond its end.
    pub exchange: Option<ExchangeSettings>,
    /// The hosts that the value may be sent to: `host`, `host:port` or `*.domain`. Default: the
    /// address of the model provider that uses it.
    #[serde(deserialize_with = "stated")]
    pub allowed_hosts: Option<Vec<String>>,
    /// The tools whose calls may use it. Default: all.
    #[serde(deserialize_with = "stated")]
    pub allowed_tools: Option<Vec<String>>,
    /// The principals on whose behalf it may be used. Default: all.
    #[serde(deserialize_with = "stated")]
    pub allowed_principals: Option<Vec<String>>,
    /// The model providers that may use it. Default: all that name it.
    #[serde(deserialize_with = "stated")]
    pub allowed_model_providers: Option<Vec<String>>,
}

fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| parse_duration(&text).map_err(de::Error::custom))
        .transpose()
}

/// What is known of a name that configuration speaks of.
#[derive(Debug, Clone, Default)]
pub(super) struct BoundName {
    /// `None`: the chain is asked.
    pub(super) places: Option<Vec<WrittenReference>>,
    pub(super) terms: Terms,
    pub(super) access: Access,
    pub(super) exchange: Option<Arc<Exchange>>,
}

/// The longest that a value may be kept, and the longest that it may be used beyond that.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long the token of an exchange is kept where nothing is said: most last for an hour.
const EXCHANGED: Duration = Duration::from_secs(50 * 60);

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
                if let Ok((_, reference)) = WrittenReference::parse(text) {
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
            .filter_map(|(_, text)| Some(WrittenReference::parse(text).ok()?.1))
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

    /// Checks one entry whole: the references, which each one's provider may refuse, the terms and
    /// the restrictions.
    pub(super) fn resolve(
        &self,
        name: &str,
        providers: &BTreeMap<&'static str, Arc<dyn SecretProvider>>,
        problems: &mut Vec<Problem>,
    ) -> BoundName {
        let at = |keys: Vec<String>| {
            let above = ["secrets", "names", name].map(str::to_owned);
            above.into_iter().chain(keys)
        };
        let none = self.references.as_ref().is_some_and(Vec::is_empty);
        let both = self.reference.is_some() && self.references.is_some();
        if none || both || *self == Self::default() {
            problems.push(Problem::at(
                at(vec![]),
                "a name is bound by either `ref` or `refs`",
                "write `ref: \"vault:secret/ai/openai#api_key\"`, or `refs:` with a list",
            ));
        }
        let written = self.written();
        let mut places = Vec::new();
        for (keys, text) in &written {
            match check(text, providers) {
                Ok(reference) => places.push(reference),
                Err((message, help)) => problems.push(Problem::at(at(keys.clone()), message, help)),
            }
        }
        BoundName {
            places: (!written.is_empty()).then_some(places),
            terms: self.terms(name, problems),
            access: self.access(name, problems),
            exchange: self.exchange.as_ref().and_then(|settings| {
                let exchange = settings.resolve(name);
                exchange
                    .map_err(|problem| problems.push(problem))
                    .ok()
                    .map(Arc::new)
            }),
        }
    }

    fn terms(&self, name: &str, problems: &mut Vec<Problem>) -> Terms {
        let mut refuse = |key: &str, message: &str, help: &str| {
            problems.push(Problem::at(["secrets", "names", name, key], message, help));
        };
        // Each request would make an exchange of its own otherwise.
        let unsaid = self.exchange.as_ref().map(|_| EXCHANGED);
        let ttl = self.ttl.or(unsaid).unwrap_or_default();
        for (key, set) in [
            ("ttl", self.ttl),
            ("negative_ttl", self.negative_ttl),
            ("stale_if_error", self.stale_if_error),
        ] {
            if set.is_some_and(|set| set > LONGEST) {
                refuse(
                    key,
                    "nothing is kept for longer than a day",
                    "write `24h` or less",
                );
            }
        }
        for (key, set) in [
            ("refresh_ahead", self.refresh_ahead),
            ("stale_if_error", self.stale_if_error),
        ] {
            if ttl.is_zero() && set.is_some_and(|set| !set.is_zero()) {
                refuse(
                    key,
                    "nothing is kept without a `ttl`, so this would do nothing",
                    "write a `ttl` such as `5m`, or remove this",
                );
            }
        }
        if !ttl.is_zero() && self.refresh_ahead.is_some_and(|ahead| ahead >= ttl) {
            refuse(
                "refresh_ahead",
                "it is not shorter than `ttl`, so every use would fetch",
                "write less than `ttl`",
            );
        }
        Terms {
            ttl,
            refresh_ahead: self.refresh_ahead.unwrap_or(ttl / 5),
            negative_ttl: self.negative_ttl.unwrap_or_default(),
            stale_if_error: self.stale_if_error.unwrap_or_default(),
        }
    }

    fn access(&self, name: &str, problems: &mut Vec<Problem>) -> Access {
        let mut refuse = |keys: &[&str], message: &str, help: &str| {
            let above = ["secrets", "names", name];
            let path = above.iter().chain(keys).copied();
            problems.push(Problem::at(path, message, help));
        };
        for (key, list) in [
            ("allowed_hosts", &self.allowed_hosts),
            ("allowed_tools", &self.allowed_tools),
            ("allowed_principals", &self.allowed_principals),
            ("allowed_model_providers", &self.allowed_model_providers),
        ] {
            if list.as_ref().is_some_and(Vec::is_empty) {
                refuse(
                    &[key],
                    "an empty list would allow nobody",
                    "list who may, or leave it out to allow all",
                );
            }
        }
        let mut hosts = Vec::new();
        for (index, text) in self.allowed_hosts.iter().flatten().enumerate() {
            let index = index.to_string();
            match HostPattern::parse(text) {
                Some(host) => hosts.push(host),
                None => refuse(
                    &["allowed_hosts", &index],
                    "this is not a host",
                    "write a host such as `api.openai.com`, `gateway.example:8443` or \
                     `*.openai.azure.com`",
                ),
            }
        }
        Access {
            hosts: self.allowed_hosts.is_some().then_some(hosts),
            tools: self.allowed_tools.clone(),
            principals: self.allowed_principals.clone(),
            model_providers: self.allowed_model_providers.clone(),
        }
    }
}

fn check(
    text: &str,
    providers: &BTreeMap<&'static str, Arc<dyn SecretProvider>>,
) -> Result<WrittenReference, (String, String)> {
    let (written, reference) = WrittenReference::parse(text).map_err(|error| {
        let help = match error {
            InvalidReference::LooksLikeKey => {
                "put the key into a secret store or an environment variable, name that place \
                 here, and replace the key: it has been in a file"
            }
            _ => "write `provider:path#field`, as in `env:OPENAI_API_KEY`",
        };
        (error.to_string(), help.to_owned())
    })?;
    let takes_principals = |provider: &Arc<dyn SecretProvider>| !provider.is_fixed_at_start();
    // A provider that cannot be built is a problem of its own, told at its own place.
    if let Some(provider) = providers.get(reference.provider()) {
        provider
            .validate(&reference)
            .map_err(|help| ("this provider cannot serve this reference".to_owned(), help))?;
        if written.is_per_principal() && !takes_principals(provider) {
            return Err((
                "this provider's values are fixed at start, so they cannot differ by principal"
                    .to_owned(),
                "use a provider that is asked for each call, such as `vault` or `file`".to_owned(),
            ));
        }
    }
    Ok(written)
}

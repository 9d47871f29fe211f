//! From settings to providers: completes each entry from its preset and refuses what cannot be
//! right, before anything runs.
//!
//! The one rule that guards a key: a preset's secret is taken over only together with the
//! preset's own address. An entry called `openai` that leads elsewhere gets no key unless it
//! names one.

mod listed;
mod way;

use std::{path::PathBuf, time::Duration};

use glob::Pattern;
use reqwest::{Url, header::HeaderMap};

pub(super) use self::listed::is_model_name;
use self::{
    listed::{IN_ANY_CASE, allowed, models},
    way::{client_certificate, headers, is_plain_proxy, parse_base_url},
};
use super::{
    calls::LimitSettings,
    catalogue::{MaxTokensField, Preset, preset, presets},
    config::{Connections, ModelProviderSettings, ModelsSettings, Protocol, Timeouts},
    facts::ModelFacts,
    providers::vertex_host,
    selection::Category,
};
use crate::{
    outbound::{is_loopback, is_private},
    protection::BreakerSettings,
    secrets::{KeyState, SecretName},
    settings::Problem,
};

/// A provider with every question answered.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Its name in configuration.
    pub name: String,
    /// The wire protocol.
    pub protocol: Protocol,
    /// Where the API lives, up to what the protocol adds.
    pub base_url: Url,
    /// The secret to send, if any.
    pub secret: Option<SecretName>,
    /// What becomes of a connection after an answer.
    pub connections: Connections,
    /// The version that stands in the address.
    pub api_version: Option<String>,
    /// Whether the secret is sent as a bearer token where the protocol has a header of its own.
    pub bearer_token: bool,
    /// The project at Vertex.
    pub project: Option<String>,
    /// The region or location.
    pub region: Option<String>,
    /// What else says who asks.
    pub headers: HeaderMap,
    /// Its models, the preferred first.
    pub models: Vec<ModelFacts>,
    /// Whether others may be asked for.
    pub unlisted_models: bool,
    /// Whether the vendor may keep instructions in a cache that is asked for.
    pub prompt_cache: bool,
    /// The name of the field that limits the answer.
    pub max_tokens_field: MaxTokensField,
    /// Whether to ask for usage.
    pub include_usage: bool,
    /// Whether the key may cross the network in clear text.
    pub allow_plaintext: bool,
    /// The proxy on the way.
    pub proxy: Option<Url>,
    /// The authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What is shown to a server that asks who connects.
    pub client_certificate: Option<ClientCertificate>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// How many calls run and wait at once.
    pub limits: LimitSettings,
    /// How often a call is tried again.
    pub retries: u32,
    /// After how long it is asked once more beside.
    pub hedge_after: Option<Duration>,
    /// When it is left alone.
    pub breaker: BreakerSettings,
    /// The models that may be asked for; `None`: all.
    pub allowed_models: Option<Vec<Pattern>>,
    /// The longest answer, in bytes of text.
    pub max_answer_bytes: usize,
}

/// A certificate and the secret that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The PEM file of the certificate, with what is between it and its authority.
    pub file: PathBuf,
    /// The private key, in PEM.
    pub key: SecretName,
}

/// What is sooner would ask everything twice.
const LEAST_HEDGE: Duration = Duration::from_millis(100);

/// Something that must not cross a network in clear text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposed {
    /// The key, on any network.
    Key,
    /// What is asked and answered, beyond the private network.
    Prompts,
}

impl ProviderConfig {
    /// Whether the address is this machine: requests to it use no proxy and need no TLS.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base_url)
    }

    /// Whether the address is this machine or in the private network.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.is_loopback() || is_private(&self.base_url)
    }

    /// Whether a model that is not listed may be asked for by this name.
    #[must_use]
    pub fn may_be_asked(&self, name: &str) -> bool {
        self.allowed_models.as_ref().is_none_or(|allowed| {
            let is_meant = |pattern: &Pattern| pattern.matches_with(name, IN_ANY_CASE);
            allowed.iter().any(is_meant)
        })
    }

    /// What would be sent in clear text over a network without leave to.
    #[must_use]
    pub fn exposes(&self) -> Option<Exposed> {
        if self.base_url.scheme() == "https" || self.is_loopback() || self.allow_plaintext {
            return None;
        }
        if self.secret.is_some() {
            return Some(Exposed::Key);
        }
        (!is_private(&self.base_url)).then_some(Exposed::Prompts)
    }
}

/// Every problem of the section `models:`. Asks nothing of the network, the disk or the broker.
#[must_use]
pub fn validate(settings: &ModelsSettings) -> Vec<Problem> {
    resolve(settings, |_| KeyState::None)
        .err()
        .unwrap_or_default()
}

/// The providers of `settings`, completed; where none is written, those of the well-known vendors
/// whose key is at hand.
///
/// # Errors
/// Every problem found.
pub fn resolve(
    settings: &ModelsSettings,
    state: impl Fn(&SecretName) -> KeyState,
) -> Result<Vec<ProviderConfig>, Vec<Problem>> {
    let mut problems = Vec::new();
    let unwritten;
    let written = if settings.providers.0.is_empty() {
        problems.extend(settings.environment.problems());
        unwritten = settings.environment.providers(state);
        &unwritten
    } else {
        &settings.providers.0
    };
    let mut providers = Vec::new();
    for (name, entry) in written {
        if let Some(provider) = complete(name, entry, &mut problems) {
            providers.push(provider);
        }
    }
    if problems.is_empty() && !default_is_known(settings, &providers) {
        problems.push(Problem::new(
            "models.default",
            "no configured model has this name",
            "write `auto`, or one of the names under `models.providers.*.models`",
        ));
    }
    if problems.is_empty() {
        Ok(providers)
    } else {
        Err(problems)
    }
}

fn default_is_known(settings: &ModelsSettings, providers: &[ProviderConfig]) -> bool {
    let default = settings.default.as_str();
    if matches!(Category::of(default), Some(Ok(_))) {
        return true;
    }
    let is_it = |provider: &str, model: &ModelFacts| {
        model.answers_to(default)
            || qualified(default, provider).is_some_and(|name| model.answers_to(name))
    };
    let configured = providers.iter().any(|provider| {
        let listed = provider
            .models
            .iter()
            .any(|model| is_it(&provider.name, model));
        listed || (provider.unlisted_models && is_model_name(default))
    });
    // Without configured providers the default may be of a vendor whose key is not set today.
    let is_of_a_vendor = || {
        let mut models = presets().iter().flat_map(|preset| {
            preset
                .models()
                .iter()
                .map(|model| (preset.name.as_str(), model))
        });
        settings.providers.0.is_empty() && models.any(|(vendor, model)| is_it(vendor, model))
    };
    configured || is_of_a_vendor()
}

/// The model's part of `provider/model`, if `name` is qualified by `provider`.
pub(super) fn qualified<'a>(name: &'a str, provider: &str) -> Option<&'a str> {
    let (before, model) = name.split_once('/')?;
    before.eq_ignore_ascii_case(provider).then_some(model)
}

fn complete(
    name: &str,
    entry: &ModelProviderSettings,
    problems: &mut Vec<Problem>,
) -> Option<ProviderConfig> {
    let before = problems.len();
    let mut refuse = |key: &str, message: &str, help: &str| {
        let path = ["models", "providers", name]
            .into_iter()
            .chain(key.split('.'));
        problems.push(Problem::at(
            path.filter(|part| !part.is_empty()),
            message,
            help,
        ));
    };
    if !is_plain_name(name) {
        refuse(
            "",
            "a model provider's name is 1 to 64 characters of a-z, A-Z, 0-9, `_` and `-`",
            "rename it",
        );
    }
    let preset = match preset_of(name, entry) {
        Ok(preset) => preset,
        Err(UnknownPreset) => {
            refuse(
                "preset",
                "no vendor of this name is known",
                &format!(
                    "there are: {}; or leave it out",
                    presets()
                        .iter()
                        .map(|preset| preset.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            );
            None
        }
    };
    let protocol = entry.protocol.or(preset.map(|preset| preset.protocol));
    let protocol = protocol.unwrap_or_default();
    let own = preset.filter(|preset| protocol.shares_address(preset.protocol));
    place(protocol, entry, &mut refuse);
    let of_region = base_url_of(protocol, entry);
    let base_url = match entry
        .base_url
        .as_deref()
        .or(of_region.as_deref())
        .or(own.and_then(|preset| preset.base_url.as_deref()))
    {
        Some(base) => parse_base_url(base).map_err(|(message, help)| {
            refuse("base_url", message, help);
        }),
        None => {
            refuse(
                "base_url",
                "no address is known for this provider",
                "write the address of the API, such as `http://127.0.0.1:11434/v1`",
            );
            Err(())
        }
    };
    let headers = headers(&entry.headers, &mut refuse);
    let proxy = entry.proxy.as_deref().and_then(|written| {
        let url = Url::parse(written).ok().filter(is_plain_proxy);
        if url.is_none() {
            let help = "write `http://host:port`, without a user or a path";
            refuse("proxy", "this is no address of a proxy", help);
        }
        url
    });
    let at_preset = own.is_some_and(|preset| {
        entry.base_url.is_none() || leads_to(entry.base_url.as_deref(), preset)
    });
    let secret = entry.secret.clone().or_else(|| {
        preset
            .filter(|_| at_preset)
            .map(|preset| preset.secret.clone())
    });
    let client_certificate = client_certificate(entry, base_url.as_ref().ok(), &mut refuse);
    let models = models(entry, preset, &mut refuse);
    let (allowed, models) = allowed(entry, models, &mut refuse);
    for (key, value, most) in [
        ("limits.concurrent", entry.limits.concurrent, 10_000),
        (
            "limits.concurrent_per_model",
            entry.limits.concurrent_per_model.unwrap_or(1),
            10_000,
        ),
    ] {
        if !(1..=most).contains(&value) {
            refuse(
                key,
                "a number from 1 to 10000",
                "correct it, or leave it out",
            );
        }
    }
    if entry.retries > 10 {
        refuse(
            "retries",
            "so many tries only spend the time that a call has",
            "write 0 to 10",
        );
    }
    let hedge = entry.hedge_after;
    if hedge.is_some_and(|after| after < LEAST_HEDGE || after >= entry.timeouts.first_byte) {
        refuse(
            "hedge_after",
            "every call would be asked twice, or none",
            "write at least 100ms, and less than `timeouts.first_byte`",
        );
    }
    for (key, zero) in [
        ("timeouts.connect", entry.timeouts.connect.is_zero()),
        ("timeouts.first_byte", entry.timeouts.first_byte.is_zero()),
        ("timeouts.total", entry.timeouts.total.is_zero()),
        ("max_answer_bytes", entry.max_answer_bytes == 0),
    ] {
        if zero {
            refuse(
                key,
                "zero would refuse every answer",
                "write a larger value, or leave it out",
            );
        }
    }
    let provider = ProviderConfig {
        name: name.to_owned(),
        protocol,
        base_url: base_url.ok()?,
        secret,
        api_version: entry.api_version.clone(),
        bearer_token: entry.bearer_token,
        project: entry.project.clone(),
        region: entry.region.clone(),
        headers,
        unlisted_models: entry.unlisted_models,
        prompt_cache: entry.prompt_cache,
        connections: entry.connections,
        models,
        max_tokens_field: entry
            .max_tokens_field
            .or(preset.map(|preset| preset.max_tokens_field))
            .unwrap_or_default(),
        include_usage: entry
            .include_usage
            .or(preset.map(|preset| preset.include_usage))
            .unwrap_or(true),
        allow_plaintext: entry.allow_plaintext,
        proxy: proxy.clone(),
        ca_file: entry.ca_file.clone(),
        client_certificate,
        timeouts: entry.timeouts,
        limits: entry.limits,
        retries: entry.retries,
        hedge_after: entry.hedge_after,
        breaker: entry.breaker,
        allowed_models: allowed,
        max_answer_bytes: entry.max_answer_bytes,
    };
    if proxy.is_some() && (provider.base_url.scheme() != "https" || provider.is_loopback()) {
        refuse(
            "proxy",
            "a proxy would see what is sent, or is not on the way",
            "use https, or leave the proxy out",
        );
    }
    match provider.exposes() {
        None => {}
        Some(Exposed::Key) => refuse(
            "base_url",
            "the key would travel to another machine in clear text",
            "use https, or set `allow_plaintext: true` if the network is yours alone",
        ),
        Some(Exposed::Prompts) => refuse(
            "base_url",
            "prompts would travel beyond the private network in clear text",
            "use https, or set `allow_plaintext: true` if the network is yours alone",
        ),
    }
    (problems.len() == before).then_some(provider)
}

/// What says where the models are, protocol by protocol: each setting only where it is understood,
/// and all that are needed.
fn place(
    protocol: Protocol,
    entry: &ModelProviderSettings,
    refuse: &mut impl FnMut(&str, &str, &str),
) {
    let name = protocol.name();
    for (key, value, takes) in [
        ("api_version", &entry.api_version, &["azure", "dial"][..]),
        ("project", &entry.project, &["vertex"]),
        ("region", &entry.region, &["vertex", "bedrock"]),
    ] {
        let is_plain = |text: &String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            (1..=64).contains(&text.len()) && text.chars().all(plain)
        };
        let is_needed = takes.contains(&name)
            && key != "api_version"
            && (key == "project" || entry.base_url.is_none() || name == "vertex");
        match value {
            Some(_) if !takes.contains(&name) => {
                let help = format!("it belongs to {}; leave it out", takes.join(" and "));
                refuse(key, "this protocol does not take it", &help);
            }
            Some(value) if !is_plain(value) => refuse(
                key,
                "1 to 64 characters of a-z, A-Z, 0-9, `.`, `_` and `-`",
                "correct it",
            ),
            None if is_needed => {
                refuse(key, "this protocol needs it", "write where the models run");
            }
            _ => {}
        }
    }
}

/// The address of a service that has one in each region.
fn base_url_of(protocol: Protocol, entry: &ModelProviderSettings) -> Option<String> {
    let region = entry.region.as_deref()?;
    match protocol.name() {
        "vertex" => Some(format!("https://{}", vertex_host(region))),
        "bedrock" => Some(format!("https://bedrock-runtime.{region}.amazonaws.com")),
        _ => None,
    }
}

struct UnknownPreset;

/// The preset that completes an entry: the one it names, or the one of its own name unless it
/// leads elsewhere.
fn preset_of(
    name: &str,
    entry: &ModelProviderSettings,
) -> Result<Option<&'static Preset>, UnknownPreset> {
    match &entry.preset {
        Some(named) => preset(named).map(Some).ok_or(UnknownPreset),
        None => Ok(preset(name).filter(|p| {
            let has_none =
                p.base_url.is_none() && entry.protocol.is_none_or(|own| own == p.protocol);
            entry.base_url.is_none() || has_none || leads_to(entry.base_url.as_deref(), p)
        })),
    }
}

fn leads_to(base_url: Option<&str>, preset: &Preset) -> bool {
    let parse = |base: &str| parse_base_url(base).ok();
    let own = preset.base_url.as_deref().and_then(parse);
    own.is_some() && base_url.and_then(parse) == own
}

fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests;

//! The audit of this process: opened from configuration, with the keys that it needs from the
//! broker.
//!
//! Nothing is opened before a command that uses secrets or serves asks for it: `check` writes no
//! audit. The keys of the audit are the one use of secrets that is not recorded in it, because it
//! cannot wait for itself; they are logged.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{Url, header::HeaderValue};
use serde_json::{Map, Value};
use tokio::{runtime::Handle, sync::OnceCell};
use zeroize::Zeroizing;

use super::world::{World, WorldError};
use crate::{
    audit::{
        self, Audit, AuditSettings, Chain, Credential, FileSink, HttpSink, OtlpSink, Sink,
        SinkError, SinkSettings, StdoutSink, SyslogSink,
    },
    call::CallIdentity,
    guard::HashArguments,
    secrets::{Binding, Consumer, Secret, SecretName},
    settings::Problem,
};

/// The length of a hash key that is made here, in bytes.
const KEY_BYTES: usize = 32;
/// The longest token that is sent to a collector, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// Opens the audit, and has uses of secrets kept in it from here on.
pub(super) fn open(world: &World) -> Result<Arc<Audit>, WorldError> {
    let audit = match &world.config.audit {
        None => Audit::off(),
        Some(settings) => {
            let sinks = settings.sinks.iter().enumerate();
            let sinks = sinks.map(|(index, sink)| build(world, index, sink));
            let sinks: Vec<_> = sinks.collect::<Result<_, _>>()?;
            Audit::new(sinks, settings.on_failure, settings.deadline)
                .map_err(|error| WorldError::Internal(error.to_string()))?
        }
    };
    let audit = Arc::new(audit);
    world.keep_in(Arc::clone(&audit));
    Ok(audit)
}

/// The audit in a few words.
pub(super) fn in_words(settings: Option<&AuditSettings>) -> String {
    let Some(settings) = settings else {
        return "none: nothing is recorded".to_owned();
    };
    let names: Vec<&str> = settings.sinks.iter().map(SinkSettings::name).collect();
    format!(
        "{}; on failure {}",
        names.join(", "),
        settings.on_failure.label()
    )
}

/// The secrets that the audit uses.
pub(super) fn secrets(settings: Option<&AuditSettings>) -> Vec<SecretName> {
    let named = settings.into_iter().flat_map(AuditSettings::secrets);
    named.filter_map(|name| name.parse().ok()).collect()
}

fn build(world: &World, index: usize, sink: &SinkSettings) -> Result<Box<dyn Sink>, WorldError> {
    let runtime = Handle::current();
    let placed = world.config.dir.as_deref().map(|dir| sink.starting_at(dir));
    let sink = placed.as_ref().unwrap_or(sink);
    let path = ["audit", "sinks", &index.to_string(), sink.name()].map(str::to_owned);
    let bound = |name: &Option<String>, key: &str, home: Option<&str>| {
        let Some(name) = name else { return Ok(None) };
        let path: Vec<String> = path.iter().cloned().chain([key.to_owned()]).collect();
        bind(world, name, path, home).map(Some)
    };
    let token = |name: &Option<String>, url: &str| -> Result<Option<Arc<dyn Credential>>, _> {
        let token = bound(name, "token_secret", Some(url))?;
        Ok(token.map(|token| Arc::new(Token(token)) as Arc<dyn Credential>))
    };
    let built: Result<Box<dyn Sink>, SinkError> = match sink {
        SinkSettings::File(settings) => {
            let signing = settings.checkpoints.as_ref();
            let signing = signing.map(|checkpoints| checkpoints.signing_secret.clone());
            let key = match bound(&signing, "checkpoints", None)? {
                Some(key) => signing_key(key, runtime),
                // It is never asked for.
                None => Arc::new(|| None),
            };
            let folder = world.config.dir.as_deref().unwrap_or(Path::new("/"));
            FileSink::new(settings.clone(), folder, key)
                .map(|sink| Box::new(sink) as _)
                .map_err(|error| SinkError(format!("no thread for checkpoints: {error}")))
        }
        SinkSettings::Stdout(settings) => StdoutSink::new(settings, Chain::new())
            .map(|sink| Box::new(sink) as _)
            .map_err(|error| SinkError(format!("standard output: {error}"))),
        SinkSettings::Syslog(settings) => {
            SyslogSink::new(settings, Chain::new(), runtime).map(|sink| Box::new(sink) as _)
        }
        SinkSettings::Otlp(settings) => {
            let token = token(&settings.token_secret, &settings.endpoint)?;
            OtlpSink::new(settings, Chain::new(), token, runtime).map(|sink| Box::new(sink) as _)
        }
        SinkSettings::Http(settings) => {
            let token = token(&settings.token_secret, &settings.url)?;
            HttpSink::new(settings, Chain::new(), token, runtime).map(|sink| Box::new(sink) as _)
        }
    };
    built.map_err(|error| {
        let help = "no call is made that cannot be recorded; mend this, or leave the sink out";
        let problem = Problem::at(path.iter().cloned(), error.to_string(), help);
        WorldError::Config(world.config.explain(vec![problem]))
    })
}

fn bind(
    world: &World,
    name: &str,
    path: Vec<String>,
    home: Option<&str>,
) -> Result<Binding, WorldError> {
    let refused = |message: String, help: &str| {
        let problem = Problem::at(path.iter().cloned(), message, help);
        WorldError::Config(world.config.explain(vec![problem]))
    };
    let parsed = name.parse::<SecretName>();
    let name = parsed.map_err(|error| refused(error.to_string(), "write a secret's name"))?;
    if !world.broker.has_place(&name) {
        return Err(refused(
            "nothing says where this secret is".to_owned(),
            "bind its name under `secrets.names`, or give a provider of `secrets.chain` a `lookup`",
        ));
    }
    let home = home.and_then(|home| Url::parse(home).ok());
    world
        .broker
        .bind(&name, Consumer::Audit, home)
        .map_err(|error| {
            refused(
                error.to_string(),
                "use a secret of its own, without `allowed_tools`, `allowed_principals` and \
                 `allowed_model_providers`",
            )
        })
}

fn asker() -> CallIdentity {
    CallIdentity {
        request_id: uuid::Uuid::new_v4().simple().to_string(),
        tool: "audit".to_owned(),
        principal: "server".to_owned(),
    }
}

/// The key that signs checkpoints, asked for on the sink's own thread for each signing.
fn signing_key(key: Binding, runtime: Handle) -> audit::SigningKey {
    Arc::new(move || {
        let key = runtime.block_on(key.look(&asker())).ok()?;
        Some(key.expose(|key| Zeroizing::new(key.to_vec())))
    })
}

/// A bearer token for a collector.
struct Token(Binding);

impl Credential for Token {
    fn authorization<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<HeaderValue, SinkError>> {
        Box::pin(async move {
            let unavailable = |error: &dyn std::fmt::Display| SinkError(error.to_string());
            let lent = self.0.lend(&asker(), url).await;
            let lent = lent.map_err(|error| unavailable(&error))?;
            let header = lent.secret().expose(|token| {
                let sendable = (1..=MAX_TOKEN_BYTES).contains(&token.len())
                    && token.iter().all(u8::is_ascii_graphic);
                let mut value = Vec::with_capacity("Bearer ".len() + token.len());
                value.extend_from_slice(b"Bearer ");
                value.extend_from_slice(token);
                let value = sendable.then(|| bytes::Bytes::from(value));
                value.and_then(|value| HeaderValue::from_maybe_shared(value).ok())
            });
            let mut header =
                header.ok_or_else(|| unavailable(&"the token cannot be sent as a header"))?;
            header.set_sensitive(true);
            Ok(header)
        })
    }
}

/// The keyed hashes of arguments.
pub(super) struct Hashes(Key);

enum Key {
    /// Made at start: hashes can be compared within this run only.
    OfThisRun(Zeroizing<[u8; KEY_BYTES]>),
    /// A secret, kept in locked memory from its first use on: hashes can be searched for.
    Named {
        binding: Binding,
        kept: OnceCell<Arc<Secret>>,
        /// How long a call may wait for it.
        deadline: Duration,
    },
}

/// The hashes that the configuration asks for.
pub(super) fn hashes(world: &World) -> Result<Hashes, WorldError> {
    let settings = world.config.audit.as_ref();
    let Some(name) = settings.and_then(|settings| settings.hash_secret.as_deref()) else {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let (first, second) = key.split_at_mut(KEY_BYTES / 2);
        first.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        second.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        return Ok(Hashes(Key::OfThisRun(key)));
    };
    let path = ["audit", "hash_secret"].map(str::to_owned).to_vec();
    Ok(Hashes(Key::Named {
        binding: bind(world, name, path, None)?,
        kept: OnceCell::new(),
        deadline: settings.map_or(Duration::ZERO, |settings| settings.deadline),
    }))
}

impl Hashes {
    /// Whether the same value has the same hash in every run.
    pub(super) fn are_lasting(&self) -> bool {
        matches!(self.0, Key::Named { .. })
    }

    /// Lends the key to `hash`; `None` if it cannot be had, which the broker has logged.
    pub(super) async fn with<R>(&self, hash: impl FnOnce(&[u8]) -> R) -> Option<R> {
        match &self.0 {
            Key::OfThisRun(key) => Some(hash(&key[..])),
            Key::Named {
                binding,
                kept,
                deadline,
            } => {
                let asker = asker();
                let fetched = kept.get_or_try_init(|| binding.look(&asker));
                let fetched = tokio::time::timeout(*deadline, fetched).await;
                Some(fetched.ok()?.ok()?.expose(hash))
            }
        }
    }
}

impl HashArguments for Hashes {
    fn each<'a>(
        &'a self,
        arguments: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        Box::pin(self.with(|key| audit::hash_arguments(key, arguments)))
    }

    fn whole<'a>(
        &'a self,
        arguments: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        Box::pin(self.with(|key| {
            let hash = audit::hash_value(key, &Value::Object(arguments.clone()));
            BTreeMap::from([(String::new(), hash)])
        }))
    }
}

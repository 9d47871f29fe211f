//! Each secret provider says the right thing of each thing that can happen at a real store.
//!
//! The providers are built from settings, as a configuration builds them, and asked directly: what
//! the chain makes of an answer is another promise. No failure may show the value it failed over,
//! so every error's words are searched for it.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "vault")]
mod vault;

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    sync::{Arc, Mutex},
};

use keyward::{
    call::CallIdentity,
    secrets::{
        memory::{Pool, TakenEnvironment},
        providers::{
            BuildContext, ErrorKind, Fetch, Lookup, ProvidersSettings, SecretProvider, build,
        },
    },
    settings::Problem,
};

/// In every value that tests store, and so in no error.
const CANARY: &str = "canary";

/// A provider and what it needs.
struct Store {
    provider: Arc<dyn SecretProvider>,
    pool: Arc<Pool>,
    asker: CallIdentity,
}

/// What a fetch gave, in a form that tests can compare.
#[derive(Debug, PartialEq)]
enum Got {
    Value {
        value: String,
        version: Option<String>,
        is_dated: bool,
    },
    Miss,
    Error {
        kind: ErrorKind,
        detail: String,
    },
}

impl Got {
    fn value(self) -> String {
        match self {
            Self::Value { value, .. } => value,
            other => panic!("no value but {other:?}"),
        }
    }

    #[track_caller]
    fn fails_with(self, kind: ErrorKind, words: &str) {
        match self {
            Self::Error {
                kind: found,
                detail,
            } => {
                assert_eq!(found, kind, "{detail}");
                assert!(detail.contains(words), "{detail}");
            }
            other => panic!("no error but {other:?}"),
        }
    }
}

impl Store {
    /// The provider that `settings`, the JSON of `secrets.providers`, describes.
    fn new(settings: serde_json::Value) -> Self {
        Self::with_taken(settings, &[]).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// The same where start-up took these secret variables; `AWS_ACCESS_KEY_ID` is an ordinary one.
    fn with_taken(
        settings: serde_json::Value,
        taken: &[(&str, Option<&str>)],
    ) -> Result<Self, Vec<Problem>> {
        let settings: ProvidersSettings = serde_json::from_value(settings).unwrap();
        let pool = Pool::reserve();
        let environment = HashMap::from([("AWS_ACCESS_KEY_ID".to_owned(), "test".to_owned())]);
        let cx = BuildContext {
            config_dir: None,
            environment: &environment,
            taken: &Arc::new(TakenEnvironment::from_values(&pool, taken.iter().copied())),
            pool: &pool,
        };
        let provider = build(&[], &BTreeMap::new(), &settings, cx)?.remove(0);
        let asker = CallIdentity {
            request_id: "0".repeat(32),
            tool: "test".into(),
            principal: "local".into(),
        };
        Ok(Self {
            provider,
            pool,
            asker,
        })
    }

    async fn fetch(&self, reference: &str) -> Got {
        let reference = reference.parse().unwrap();
        self.provider.validate(&reference).unwrap();
        let fetch = Fetch {
            reference: &reference,
            asker: &self.asker,
            pool: &self.pool,
        };
        match self.provider.fetch(fetch).await {
            Ok(Lookup::Found(found)) => Got::Value {
                value: String::from_utf8(found.value.as_slice().to_vec()).unwrap(),
                version: found.version,
                is_dated: found.created_at.is_some(),
            },
            Ok(Lookup::Miss) => Got::Miss,
            Err(error) => {
                assert!(!format!("{error:?} {error}").contains(CANARY), "{error}");
                Got::Error {
                    kind: error.kind,
                    detail: error.detail,
                }
            }
        }
    }

    async fn close(&self) {
        self.provider.close().await;
    }
}

/// Everything that any crate traces on this thread while it lives, at the finest level.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<u8>>>);

impl Trace {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let trace = Self::default();
        let writer = trace.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (trace, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Trace {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

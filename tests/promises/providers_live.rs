//! Each secret provider says the right thing of each thing that can happen at a real store.
//!
//! The providers are built from settings, as a configuration builds them, and asked directly, within
//! their limits: what the chain makes of an answer is another promise. No failure may show the value it failed over,
//! so every error's words are searched for it.
#![cfg(all(feature = "vault", feature = "aws"))]

mod aws;
mod aws_batch;
mod vault;
mod vault_engines;
mod vault_lease_faults;
mod vault_leases;
mod vault_outages;

use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    sync::{Arc, Mutex},
};

use keyward::{
    call::CallIdentity,
    secrets::{
        Protected,
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
            recorder: &keyward::secrets::Unrecorded::shared(),
        };
        let provider = build(&[], &BTreeMap::new(), &settings, cx)?.remove(0);
        let provider = Arc::new(Protected::new(provider, None));
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

/// A server that gives `answer` to one request, and then what it reads on: 0 if the client closed
/// the connection. A client that keeps it would let the read run into its limit.
fn once(answer: &'static str) -> (String, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(crate::support::environment::PATIENCE))
            .unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        stream.read(&mut byte).unwrap()
    });
    (url, server)
}

/// Runs an ignored test of this module in a process of its own, since a test cannot change the
/// environment that it shares with others.
fn in_own_environment(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture"]);
    command.arg(format!("promises::providers_live::{test}"));
    for inherited in [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
    ] {
        command.env_remove(inherited);
    }
    let ran = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}\n{failed}"
    );
}

//! A guard in this process, built as the server builds it, before a model that answers at once.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use keyward::{
    audit::{self, Audit, FileSettings, FileSink, Fsync, OnFailure, Sink},
    call::{CallContext, CallIdentity, ClientInfo, Principal, PrincipalKind},
    guard::{
        Caller, Corridor, HashArguments, Received, Recording,
        policy::{ActionSettings, Policy, PolicySettings, RuleSettings, ToolShape, WhenSettings},
        redaction::{LiveNet, RedactionSettings, Redactor},
        shapes,
    },
    models::{Completion, CompletionRequest, ModelError, ModelFacts, ModelProvider, Models, Usage},
    secrets::{
        Broker, SecretName, SecretsSettings, Unrecorded,
        live::LiveSecrets,
        memory::{Pool, TakenEnvironment},
        providers::{BuildContext, build},
    },
    tools::Registry,
    workspace::{Workspace, WorkspaceSettings},
};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

/// The shipped limit of an audit file, in bytes.
const ROTATE_BYTES: u64 = 100 * 1024 * 1024;

/// A model that answers at once, always the same.
struct AtOnce {
    models: Vec<ModelFacts>,
    answer: String,
}

impl ModelProvider for AtOnce {
    fn name(&self) -> &'static str {
        "at-once"
    }

    fn host(&self) -> String {
        "at-once.example".to_owned()
    }

    fn models(&self) -> &[ModelFacts] {
        &self.models
    }

    fn secret(&self) -> Option<&SecretName> {
        None
    }

    fn admits(&self, _: &CallIdentity) -> bool {
        true
    }

    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<Completion, ModelError>> {
        let completion = Completion {
            answer: self.answer.clone(),
            model: request.model.clone(),
            provider: "at-once".to_owned(),
            usage: Some(Usage {
                input_tokens: 250,
                output_tokens: 250,
                ..Usage::default()
            }),
            cost: None,
            key: None,
            instead_of: Vec::new(),
            finish_reason: "stop",
        };
        Box::pin(async { Ok(completion) })
    }
}

/// The first net, as `src/cli/rules.rs` casts it.
struct Net(Arc<LiveSecrets>);

impl LiveNet for Net {
    fn ranges(&self, text: &str, found: &mut Vec<Range<usize>>) {
        self.0.ranges(text, found);
    }
}

/// Hashes under a key of this run, as the server's without `audit.hash_secret`.
pub struct Hashes(pub [u8; 32]);

impl HashArguments for Hashes {
    fn each<'a>(
        &'a self,
        arguments: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        Box::pin(async { Some(audit::hash_arguments(&self.0, arguments)) })
    }

    fn whole<'a>(
        &'a self,
        _: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        Box::pin(async { None })
    }
}

/// The redactor of a configuration that says nothing of redaction, with `keys` keys that are out.
pub fn redactor(keys: u8) -> Arc<Redactor> {
    let live = Arc::new(LiveSecrets::new());
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..keys {
        let key: String = (0..56).map(|_| random.alphanumeric()).collect();
        live.remember([number; 16], format!("sk-proj-{key}").as_bytes());
    }
    let redactor = Redactor::new(&RedactionSettings::default(), &[], Arc::new(Net(live)));
    Arc::new(redactor.unwrap_or_else(|problems| panic!("{problems:?}")))
}

/// The tools of this build, before a model that gives `answer`.
pub fn registry(answer: &str) -> Registry {
    let settings: SecretsSettings = serde_json::from_value(json!({ "chain": [] })).unwrap();
    let pool = Pool::reserve();
    let cx = BuildContext {
        config_dir: Some(&PathBuf::from("/")),
        environment: &HashMap::<String, String>::new(),
        taken: &Arc::new(TakenEnvironment::from_values(&pool, [])),
        pool: &pool,
        recorder: &Unrecorded::shared(),
    };
    let providers = build(
        &settings.chain(),
        &settings.mentions(),
        &settings.providers,
        cx,
    );
    let providers = providers.unwrap_or_else(|problems| panic!("{problems:?}"));
    let broker = Broker::new(&settings, providers, pool, Unrecorded::shared());
    let broker = Arc::new(broker.unwrap_or_else(|problems| panic!("{problems:?}")));
    let at_once = AtOnce {
        models: vec![ModelFacts::named("gpt-5")],
        answer: answer.to_owned(),
    };
    let models = Models::of(vec![Arc::new(at_once)], "auto", broker);
    let workspace = Workspace::new(&WorkspaceSettings::default(), None);
    Registry::new(Arc::new(models), Arc::new(workspace)).unwrap()
}

/// A policy of rules that refuse calls of `chat`, one for each condition.
pub fn policy(conditions: impl Iterator<Item = String>, tools: &[ToolShape]) -> Policy {
    let rule = |(number, condition)| RuleSettings {
        id: format!("rule-{number}"),
        when: WhenSettings {
            tools: Some(vec!["chat".to_owned()]),
            ..WhenSettings::default()
        },
        condition: Some(condition),
        action: ActionSettings::Deny,
        reason: Some("Not from here.".to_owned()),
    };
    let settings = PolicySettings {
        rules: conditions.enumerate().map(rule).collect(),
        ..PolicySettings::default()
    };
    Policy::compile(&settings, &[], tools).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The condition of the simple rule, told apart by `number`.
pub fn simple(number: usize) -> String {
    format!("args.prompt.contains('launch codes {number}')")
}

/// A corridor with this many simple rules, whose calls are kept in `audit`.
pub fn corridor(
    answer: &str,
    rules: usize,
    audit: Arc<Audit>,
    redactor: Arc<Redactor>,
) -> Corridor {
    let registry = registry(answer);
    let policy = policy((0..rules).map(simple), &shapes(&registry));
    let recording = Recording {
        audit,
        hashes: Arc::new(Hashes([7; 32])),
        clear_arguments: false,
        redactor,
    };
    Corridor::new(&registry, Arc::new(policy), recording).unwrap()
}

/// An audit that keeps records in a file of `folder`.
pub fn audit_in(folder: &Path, fsync: Fsync) -> Arc<Audit> {
    let sinks = vec![sink_in(folder, fsync)];
    Arc::new(Audit::new(sinks, OnFailure::Block, Duration::from_secs(30)).unwrap())
}

/// The sink of [`audit_in`] alone.
pub fn sink_in(folder: &Path, fsync: Fsync) -> Box<dyn Sink> {
    let settings = FileSettings {
        path: "audit.jsonl".into(),
        rotate_bytes: ROTATE_BYTES,
        rotate_after: None,
        keep: None,
        fsync,
        checkpoints: None,
    };
    Box::new(FileSink::new(settings, folder, Arc::new(|| None)).unwrap())
}

/// A folder on the disk that the build is on: the system's own may be memory.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Who calls.
pub fn caller() -> Caller {
    Caller {
        principal: Arc::new(Principal {
            id: "alice".to_owned(),
            kind: PrincipalKind::Local,
            groups: vec!["staff".to_owned()],
            claims: Map::new(),
        }),
        client: Some(ClientInfo {
            name: "claude-code".to_owned(),
            version: "2.0.1".to_owned(),
        }),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
    }
}

/// The arguments of a call of `chat`.
pub fn arguments(prompt: &str) -> Map<String, Value> {
    let arguments = [("prompt", prompt), ("model", "gpt-5")];
    let arguments = arguments.map(|(name, value)| (name.to_owned(), Value::from(value)));
    arguments.into_iter().collect()
}

/// A call of `chat`.
pub fn call(caller: &Caller, arguments: &Map<String, Value>) -> Received {
    Received {
        tool: "chat".to_owned(),
        arguments: arguments.clone(),
        caller: caller.clone(),
        is_approved: Box::new(|_| false),
    }
}

/// A runtime like the server's.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

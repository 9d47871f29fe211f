//! The world: everything that lives as long as the process, built once from configuration and
//! handed down. Building it asks no provider and opens no socket.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Exit, args::Global, complain, keeping, log_filter::LogFilter, print, recorder::Recorder, rules,
};
use crate::{
    audit::Audit,
    config::{self, CheckExit, Config, ConfigError, Overrides, Style},
    guard::{
        Corridor, Recording,
        policy::{DefaultAction, Policy},
        redaction::Redactor,
        shapes,
    },
    models::{ModelMetrics, Models, PalEnvironment},
    secrets::{
        Binding, Broker, Consumer, SecretMetrics, SecretRecorder,
        memory::{Lock, Pool, Protections, take_environment},
        providers,
    },
    settings::{Problem, ProcessEnvironment},
    telemetry::{self, Metrics},
    tools::Registry,
    workspace::Workspace,
};

/// What was built, and the settings it was built from.
pub(super) struct World {
    pub(super) config: Config,
    pub(super) pool: Arc<Pool>,
    pub(super) broker: Arc<Broker>,
    pub(super) models: Arc<Models>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) registry: Registry,
    policy: Arc<Policy>,
    recorder: Arc<Recorder>,
    /// The bearer token of HTTP.
    pub(super) token: Option<Binding>,
    pub(super) metrics: Arc<Metrics>,
    /// What is allowed and probably not meant.
    pub(super) warnings: Vec<String>,
}

/// Why there is no world.
pub(super) enum WorldError {
    /// The configuration is invalid or could not be read.
    Config(ConfigError),
    /// A fault of the build or the process.
    Internal(String),
}

impl World {
    /// Loads the configuration and builds the world of it, starting the log on the way. Must be
    /// called before any thread is started, because it takes keys out of the environment.
    pub(super) fn load(
        global: &Global,
        http: Option<SocketAddr>,
        protections: &Protections,
    ) -> Result<Self, WorldError> {
        let overrides = Overrides {
            http,
            log_level: global.log_level,
            log_format: global.log_format,
            default_model: global.default_model.clone(),
            models: PalEnvironment::read(&ProcessEnvironment),
        };
        let config = config::load(global.config.as_deref(), &ProcessEnvironment, &overrides)
            .map_err(WorldError::Config)?;
        let pool = Pool::reserve_as(config.memory.lock);
        let log_filter = Arc::new(LogFilter::default());
        telemetry::init(config.log, Some(log_filter.clone()));
        for absent in &protections.absent {
            tracing::warn!(
                protection = absent.protection,
                because = absent.because,
                "absent"
            );
        }
        if config.memory.lock == Lock::Require && !pool.report().is_locked() {
            let why = pool.report().warning().unwrap_or_default();
            let problem = Problem::new("memory.lock", why, "or write `memory: { lock: prefer }`");
            return Err(WorldError::Config(config.explain(vec![problem])));
        }
        if let Some(warning) = pool.report().warning() {
            tracing::warn!("{warning}");
        }
        Self::build(config, pool, &log_filter)
    }

    fn build(config: Config, pool: Arc<Pool>, log_filter: &LogFilter) -> Result<Self, WorldError> {
        let secrets = &config.secrets;
        let references: Vec<_> = secrets.references().collect();
        let chain = secrets.chain();
        let names = providers::env_names(&secrets.providers, &references);
        let taken = take_environment(&pool, names)
            .map_err(|error| WorldError::Internal(error.to_string()))?;
        let invalid =
            |config: &Config, problems: Vec<Problem>| WorldError::Config(config.explain(problems));
        let metrics = Arc::new(Metrics::default());
        let recorder = Arc::new(Recorder::new(SecretMetrics::register(&metrics)));
        let told: Arc<dyn SecretRecorder> = recorder.clone();
        let cx = providers::BuildContext {
            config_dir: config.dir.as_deref(),
            environment: &ProcessEnvironment,
            taken: &Arc::new(taken),
            pool: &pool,
            recorder: &told,
        };
        let providers = providers::build(&chain, &secrets.mentions(), &secrets.providers, cx)
            .map_err(|problems| invalid(&config, problems))?;
        let broker = Broker::new(secrets, providers, Arc::clone(&pool), told)
            .map_err(|problems| invalid(&config, problems))?;
        let broker = Arc::new(broker);
        let token = config
            .server
            .http
            .as_ref()
            .and_then(|http| http.token_secret.as_ref());
        let path = "server.http.token_secret";
        let token = match token {
            None => None,
            Some(name) if !broker.has_place(name) => {
                let problem = Problem::new(
                    path,
                    "nothing says where this secret is, so no client could get in",
                    "bind its name under `secrets.names`, or give a provider of `secrets.chain` a \
                     `lookup`",
                );
                return Err(invalid(&config, vec![problem]));
            }
            Some(name) => match broker.bind(name, Consumer::Server, None) {
                Ok(token) => Some(token),
                Err(_) => {
                    let problem = Problem::new(
                        path,
                        "this secret is kept for certain tools, principals or model providers",
                        "use a secret of its own for the bearer token",
                    );
                    return Err(invalid(&config, vec![problem]));
                }
            },
        };
        let models = Models::new(
            &config.models,
            Arc::clone(&broker),
            config.dir.as_deref(),
            &ModelMetrics::register(&metrics),
        )
        .map_err(|problems| invalid(&config, problems))?;
        let redactor = rules::redactor(&config, broker.live())?;
        log_filter.pass_through(Arc::clone(&redactor));
        let models = Arc::new(models);
        let workspace = Workspace::new(&config.workspace, config.dir.as_deref());
        let registry = Registry::new(Arc::clone(&models), Arc::new(workspace))
            .map_err(|error| WorldError::Internal(error.to_string()))?;
        let policy = Arc::new(rules::policy(&config, &shapes(&registry))?);
        let warnings = rules::warnings(&policy, &models);
        for warning in &warnings {
            tracing::warn!("policy: {warning}");
        }
        Ok(Self {
            config,
            pool,
            broker,
            models,
            redactor,
            registry,
            policy,
            recorder,
            token,
            metrics,
            warnings,
        })
    }

    /// The one way to run a tool, whose calls are kept in `audit`.
    pub(super) fn corridor(&self, audit: &Arc<Audit>) -> Result<Corridor, WorldError> {
        let settings = self.config.audit.as_ref();
        let recording = Recording {
            audit: Arc::clone(audit),
            hashes: Arc::new(keeping::hashes(self)?),
            clear_arguments: settings.is_some_and(|audit| audit.clear_arguments),
            redactor: Arc::clone(&self.redactor),
        };
        Corridor::new(&self.registry, Arc::clone(&self.policy), recording)
            .map_err(|tool| WorldError::Internal(format!("the schema of `{tool}` is broken")))
    }

    /// From here on uses of secrets are kept in `audit`.
    pub(super) fn keep_in(&self, audit: Arc<Audit>) {
        self.recorder.keep_in(audit, Arc::clone(&self.redactor));
    }

    /// The rules in force.
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy, as the log and `check` tell it.
    pub(super) fn policy_in_words(&self) -> String {
        match (self.policy.rule_count(), self.policy.default_action()) {
            (0, DefaultAction::Allow) => "none: every valid call runs".to_owned(),
            (rules, DefaultAction::Allow) => format!("{rules} rules, default allow"),
            (rules, DefaultAction::Deny) => format!("{rules} rules, default deny"),
        }
    }
}

impl WorldError {
    /// Tells the user, as text on stderr or as JSON on stdout, and says how the process ends.
    pub(super) fn report(&self, as_json: bool) -> Exit {
        match self {
            Self::Config(error) => {
                if as_json {
                    print(error.json());
                } else {
                    let style = Style::for_stream(&std::io::stderr(), &ProcessEnvironment);
                    complain(format_args!("{error}\n\n{}", error.human(style).trim_end()));
                }
                match error.exit() {
                    CheckExit::Valid => Exit::Done,
                    CheckExit::Invalid => Exit::Invalid,
                    CheckExit::Unreadable => Exit::Unreadable,
                }
            }
            Self::Internal(what) => {
                complain(format_args!("internal error: {what}"));
                Exit::Failed
            }
        }
    }
}

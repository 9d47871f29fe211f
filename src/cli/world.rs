//! The world: everything that lives as long as the process, built once from configuration and
//! handed down. Building it asks no provider and opens no socket.

use std::{net::SocketAddr, sync::Arc};

use super::{Exit, args::Global, complain, print};
use crate::{
    config::{self, CheckExit, Config, ConfigError, Overrides, Style},
    guard::{Corridor, Policy},
    models::Models,
    secrets::{
        Binding, Broker, Consumer, SecretMetrics, SecretRecorder,
        memory::{Lock, Pool, Protections, take_environment},
        providers,
    },
    settings::{Problem, ProcessEnvironment},
    telemetry::{self, Metrics},
    tools::Registry,
};

/// What was built, and the settings it was built from.
pub(super) struct World {
    pub(super) config: Config,
    pub(super) pool: Arc<Pool>,
    pub(super) broker: Arc<Broker>,
    pub(super) models: Arc<Models>,
    /// The bearer token of HTTP.
    pub(super) token: Option<Binding>,
    pub(super) metrics: Arc<Metrics>,
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
        };
        let config = config::load(global.config.as_deref(), &ProcessEnvironment, &overrides)
            .map_err(WorldError::Config)?;
        let pool = Pool::reserve_as(config.memory.lock);
        telemetry::init(config.log);
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
        Self::build(config, pool)
    }

    fn build(config: Config, pool: Arc<Pool>) -> Result<Self, WorldError> {
        let secrets = &config.secrets;
        let references: Vec<_> = secrets.references().collect();
        let chain = secrets.chain();
        let names = providers::env_names(&secrets.providers, &references);
        let taken = take_environment(&pool, names)
            .map_err(|error| WorldError::Internal(error.to_string()))?;
        let invalid =
            |config: &Config, problems: Vec<Problem>| WorldError::Config(config.explain(problems));
        let metrics = Arc::new(Metrics::default());
        let recorder: Arc<dyn SecretRecorder> = Arc::new(SecretMetrics::register(&metrics));
        let cx = providers::BuildContext {
            config_dir: config.dir.as_deref(),
            environment: &ProcessEnvironment,
            taken: &Arc::new(taken),
            pool: &pool,
            recorder: &recorder,
        };
        let providers = providers::build(&chain, &secrets.mentions(), &secrets.providers, cx)
            .map_err(|problems| invalid(&config, problems))?;
        let broker = Broker::new(secrets, providers, Arc::clone(&pool), recorder)
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
        let models = Models::new(&config.models, Arc::clone(&broker), config.dir.as_deref())
            .map_err(|problems| invalid(&config, problems))?;
        Ok(Self {
            config,
            pool,
            broker,
            models: Arc::new(models),
            token,
            metrics,
        })
    }

    /// The one way to run a tool.
    pub(super) fn corridor(&self) -> Result<Corridor, WorldError> {
        let broken = |what: String| WorldError::Internal(what);
        let registry =
            Registry::new(Arc::clone(&self.models)).map_err(|error| broken(error.to_string()))?;
        Corridor::new(registry, Policy::AllowAll)
            .map_err(|tool| broken(format!("the schema of `{tool}` is broken")))
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

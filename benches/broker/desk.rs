//! A broker in this process, built from settings as the server builds it, and the use of one of its
//! secrets.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use keyward::{
    call::CallIdentity,
    secrets::{
        Binding, Broker, Consumer, Lent, SecretError, SecretMetrics, SecretsSettings,
        memory::{Pool, TakenEnvironment},
        providers::{BuildContext, build},
    },
    telemetry::Metrics,
};
use reqwest::Url;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Where the values would be sent.
const UPSTREAM: &str = "https://api.example/v1/chat/completions";

/// A broker and who asks it.
pub struct Desk {
    broker: Arc<Broker>,
    asker: CallIdentity,
    url: Url,
}

impl Desk {
    /// From the JSON of `secrets`, where start-up took these variables.
    pub fn new(settings: Value, taken: &[(&str, Option<&str>)]) -> Self {
        let settings: SecretsSettings = serde_json::from_value(settings).unwrap();
        let pool = Pool::reserve();
        let environment = HashMap::from([("AWS_ACCESS_KEY_ID".to_owned(), "test".to_owned())]);
        let cx = BuildContext {
            config_dir: Some(&PathBuf::from("/")),
            environment: &environment,
            taken: &Arc::new(TakenEnvironment::from_values(&pool, taken.iter().copied())),
            pool: &pool,
            recorder: &keyward::secrets::Unrecorded::shared(),
        };
        let mentions = settings.mentions();
        let providers = build(&settings.chain(), &mentions, &settings.providers, cx);
        let providers = providers.unwrap_or_else(|problems| panic!("{problems:?}"));
        let recorder = Arc::new(SecretMetrics::register(&Metrics::default()));
        let broker = Broker::new(&settings, providers, pool, recorder);
        let broker = broker.unwrap_or_else(|problems| panic!("{problems:?}"));
        Self {
            broker: Arc::new(broker),
            asker: CallIdentity {
                request_id: "0".repeat(32),
                tool: "chat".into(),
                principal: "local".into(),
            },
            url: UPSTREAM.parse().unwrap(),
        }
    }

    /// The use of one secret, as a model provider has it.
    pub fn bind(&self, name: &str) -> Binding {
        let consumer = Consumer::ModelProvider("stand-in".into());
        let bound = self
            .broker
            .bind(&name.parse().unwrap(), consumer, Some(self.url.clone()));
        bound.unwrap()
    }

    /// The value, as a call has it before it sends its request.
    pub async fn lend(&self, binding: &Binding) -> Lent {
        let lent = self.try_to_lend(binding).await;
        lent.unwrap_or_else(|error| panic!("{}: {}", binding.name(), error.operator()))
    }

    /// The same, where a failure is part of what is measured.
    pub async fn try_to_lend(&self, binding: &Binding) -> Result<Lent, SecretError> {
        binding.lend(&self.asker, &self.url).await
    }

    /// Ends what the broker holds at its stores.
    pub async fn close(&self) {
        self.broker.close().await;
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

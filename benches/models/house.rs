//! A provider as the server builds it, before a stand-in that answers at once.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use keyward::{
    call::{CallContext, CallIdentity},
    models::{CompletionRequest, ModelMetrics, Models, ModelsSettings, Selected},
    secrets::{
        Broker, Reference, SecretName, SecretsSettings, Unrecorded,
        memory::Pool,
        providers::{Fetch, Found, Lookup, Presence, ProviderError, SecretProvider},
    },
};
use reqwest::Client;

use crate::support::{
    upstream::{Dialect, MODEL, Upstream},
    vendors::Vendor,
};

pub const KEY: &str = "sk-bench-4f7Qz1LmXw93RkTbVn8Hs2JdYc6Pg0Ua";

/// Every protocol.
pub fn dialects() -> impl Iterator<Item = (&'static str, Dialect)> {
    let vendors = Vendor::ALL.into_iter();
    [("openai", Dialect::OpenAi)]
        .into_iter()
        .chain(vendors.map(|vendor| (vendor.protocol(), Dialect::Of(vendor))))
}

/// A store that has the key under every name.
struct Store;

impl SecretProvider for Store {
    fn name(&self) -> &'static str {
        "env"
    }

    fn locate(&self, _: &SecretName) -> Option<Reference> {
        "env:KEY".parse().ok()
    }

    fn validate(&self, _: &Reference) -> Result<(), String> {
        Ok(())
    }

    fn presence(&self, _: &Reference) -> Presence {
        Presence::Bound
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        Box::pin(async move {
            let value = Arc::new(fetch.pool.store(KEY.as_bytes()).await.unwrap());
            Ok(Lookup::Found(Found {
                value,
                version: None,
                created_at: None,
                expires_at: None,
            }))
        })
    }
}

/// A stand-in, the provider that leads to it, and the same request made directly.
pub struct House {
    pub upstream: Upstream,
    pub selected: Selected,
    client: Client,
    direct: Direct,
}

/// A request as the provider sent it.
#[derive(Default)]
struct Direct {
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl House {
    pub fn new(dialect: Dialect, connections: &str) -> Self {
        let upstream = Upstream::start(dialect, Some(KEY));
        let (protocol, own) = match dialect {
            Dialect::Of(vendor) => (vendor.protocol(), vendor.settings()),
            _ => ("openai", "max_tokens_field: max_completion_tokens"),
        };
        let yaml = format!(
            "providers:\n  up:\n      protocol: {protocol}\n      base_url: \"{}\"\n      secret: up\n      \
             connections: {connections}\n      {own}\n      models: [{MODEL}]\n",
            upstream.base_url()
        );
        let settings: ModelsSettings = serde_saphyr::from_str(&yaml).unwrap();
        let broker = Broker::new(
            &SecretsSettings::default(),
            vec![Arc::new(Store)],
            Pool::reserve(),
            Arc::new(Unrecorded),
        );
        let broker = Arc::new(broker.unwrap());
        let models = Models::new(&settings, broker, None, &ModelMetrics::default()).unwrap();
        let selected = models.select(Some(MODEL), None, &[]).unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            upstream,
            selected,
            client,
            direct: Direct::default(),
        }
    }

    /// Learns from what the provider sends for `prompt` what to send directly.
    pub async fn learn(&mut self, prompt: &str) {
        self.through(prompt, "a").await;
        let seen = self.upstream.seen().pop().unwrap();
        let query = seen
            .query
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let url = format!("http://{}{}{query}", self.upstream.address(), seen.path);
        let hop = ["host", "content-length"];
        let headers = seen.headers.into_iter();
        let headers = headers.filter(|(name, _)| !hop.contains(&name.as_str()));
        self.direct = Direct {
            url,
            headers: headers.collect(),
            body: seen.body.to_string(),
        };
    }

    /// One call through the provider.
    pub async fn through(&self, prompt: &str, principal: &str) {
        let cx = context(principal);
        let request = request(prompt);
        let answer = self.selected.provider.complete(&request, &cx).await;
        answer.unwrap();
    }

    /// The same request, made directly and read to its end; gives when the first byte was there.
    pub async fn directly(&self) -> std::time::Duration {
        let began = std::time::Instant::now();
        let Direct { url, headers, body } = &self.direct;
        let mut request = self.client.post(url).body(body.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request.send().await.unwrap();
        assert!(response.status().is_success());
        let mut first = None;
        while let Some(_piece) = response.chunk().await.unwrap() {
            first.get_or_insert_with(|| began.elapsed());
        }
        first.unwrap()
    }
}

pub fn context(principal: &str) -> CallContext {
    CallContext::new(CallIdentity {
        request_id: "0".repeat(32),
        tool: "chat".to_owned(),
        principal: principal.to_owned(),
    })
}

pub fn request(prompt: &str) -> CompletionRequest {
    CompletionRequest {
        model: MODEL.to_owned(),
        prompt: prompt.to_owned(),
        ..CompletionRequest::default()
    }
}

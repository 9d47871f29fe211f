//! One call, from the request to the whole answer.
//!
//! The order is the point: what can be refused without a key is refused first, the client exists
//! before the key is fetched, and the key is fetched when nothing is left to do but send. The
//! secret is held until the answer has passed the filter, and no longer.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::{
    Client, Request, Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap},
};
use tokio::time::timeout;

use super::{
    Asked, Refused, Wire,
    answer::{Answer, Whole},
    broken::failure,
    check::{check, check_length},
    client::{LazyClient, Unproven, identity, showing},
    key, stream,
};
use crate::{
    call::{CallContext, CallIdentity, Progress},
    models::{
        Circumstances, Completion, CompletionRequest, Connections, Cost, ModelError,
        ModelErrorKind, ModelFacts, ModelProvider, ProviderConfig, Stage, Usage, is_model_name,
        providers::Keys,
        tokens::{self, Counter},
    },
    secrets::{Binding, Lent, Refusal, Secret, SecretName, Used},
};

/// How much of an error's body is read to learn its kind.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// A configured endpoint that speaks a protocol over HTTP.
pub struct HttpProvider {
    config: ProviderConfig,
    wire: Box<dyn Wire>,
    keys: Keys,
    client: LazyClient,
    counter: Counter,
}

/// What is learnt on the way and told with an error.
#[derive(Default)]
struct Trace {
    status: Option<StatusCode>,
    request_id: Option<String>,
    key: Option<String>,
    client_key: Option<String>,
    has_begun: bool,
    is_unsent: bool,
}

impl Trace {
    /// The keys that were used, in words.
    fn keys(&self) -> Option<String> {
        match (&self.key, &self.client_key) {
            (Some(key), Some(client)) => Some(format!("{key}; certificate: {client}")),
            (None, Some(client)) => Some(format!("certificate: {client}")),
            (key, None) => key.clone(),
        }
    }
}

/// One request and its answer's first part.
struct Exchange {
    response: Response,
    answer: Answer,
    used: Option<Used>,
}

impl HttpProvider {
    /// The provider of `config`, with the use of `keys`. Does no I/O.
    #[must_use]
    pub fn new(config: ProviderConfig, wire: Box<dyn Wire>, keys: Keys) -> Self {
        Self {
            config,
            wire,
            keys,
            client: LazyClient::default(),
            counter: Counter::default(),
        }
    }

    /// What `usage` costs by list price.
    fn cost(&self, model: &str, usage: Option<Usage>) -> Option<Cost> {
        let price = self.model(model)?.price?;
        usage.map(|usage| usage.cost(&price))
    }

    /// What a call took by our own count, where its vendor told nothing.
    async fn estimate(&self, request: &CompletionRequest, answer: &str) -> Usage {
        let count = |texts| self.counter.count(&request.model, texts);
        Usage {
            input_tokens: count(tokens::texts(request)).await,
            output_tokens: count(vec![answer.to_owned()]).await,
            is_estimate: true,
            ..Usage::default()
        }
    }

    async fn ask(
        &self,
        request: &CompletionRequest,
        cx: &CallContext,
        trace: &mut Trace,
    ) -> Result<Whole, ModelErrorKind> {
        let model = self
            .model(&request.model)
            .ok_or(ModelErrorKind::UnknownModel {
                nearest: Vec::new(),
            })?;
        let model = model.as_ref();
        check(request, model, self.config.is_near())?;
        check_length(request, model, &self.counter).await?;
        // Settings are checked at load; this stands where the key would leave.
        if self.config.exposes().is_some() {
            return Err(ModelErrorKind::PlaintextRefused);
        }
        let url = self.wire.url(&self.config, model);
        let url = url.ok_or(ModelErrorKind::NoSuchEndpoint)?;
        let asked = Asked {
            request,
            model,
            config: &self.config,
        };
        let body = Bytes::from(self.wire.body(&asked)?);
        let client = self.client(&url, cx, trace).await?;
        let request = self.request(&client, &url, body.clone())?;
        let lent = match &self.keys.key {
            None => None,
            Some(key) => Some(lend(key, &cx.identity, request.url()).await?),
        };
        let mut exchange = self.exchange(&client, request, lent, cx, trace).await?;
        if let Some(newer) = self.newer_key(&exchange, &url, cx).await {
            // Its connection still holds the refused key, and the broker keeps the newer one for
            // as long as a call is out with the refused: neither is to wait for the second answer.
            drop(exchange);
            // Once: a key that is refused twice is not the matter of a rotation.
            let request = self.request(&client, &url, body)?;
            exchange = self
                .exchange(&client, request, Some(newer), cx, trace)
                .await?;
        }
        // The key was not refused for being out of date: whoever waits for that need not.
        drop(exchange.used.take());
        self.read(exchange.response, exchange.answer, cx, trace)
            .await
    }

    /// The client that connects: one for all calls or, where it shows a certificate, one for this
    /// call alone, since it keeps the certificate's private key as long as it lives.
    async fn client(
        &self,
        url: &Url,
        cx: &CallContext,
        trace: &mut Trace,
    ) -> Result<Client, ModelErrorKind> {
        let Some(key) = &self.keys.client_key else {
            return self.client.get(&self.config).await;
        };
        let lent = lend(key, &cx.identity, url).await?;
        trace.client_key = Some(describe(lent.secret()));
        let identity = match identity(&self.config, &lent).await {
            Ok(identity) => identity,
            Err(Unproven::NoPair) => {
                // The file may have been renewed since the key was: then there is a newer key.
                let (used, refusal) = (lent.put_away(), Refusal::OfTheKey);
                let newer = key.lend_after_refusal(&used, refusal, &cx.identity, url);
                let newer = newer.await.ok().flatten().ok_or(Unproven::NoPair)?;
                identity(&self.config, &newer).await?
            }
            Err(unfit) => return Err(unfit.into()),
        };
        showing(&self.config, identity).await
    }

    /// After a refusal of the key: another one, if the store has another by now.
    async fn newer_key(&self, exchange: &Exchange, url: &Url, cx: &CallContext) -> Option<Lent> {
        let (Some(key), Some(used)) = (&self.keys.key, &exchange.used) else {
            return None;
        };
        let refusal = match exchange.response.status() {
            StatusCode::UNAUTHORIZED => Refusal::OfTheKey,
            StatusCode::FORBIDDEN => Refusal::OfTheRequest,
            _ => return None,
        };
        // If the store cannot say, the broker has logged why, and the refusal is the answer.
        let newer = key
            .lend_after_refusal(used, refusal, &cx.identity, url)
            .await;
        newer.ok().flatten()
    }

    fn request(&self, client: &Client, url: &Url, body: Bytes) -> Result<Request, ModelErrorKind> {
        client
            .post(url.clone())
            .headers(self.config.headers.clone())
            .headers(self.wire.headers())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, self.wire.accepts())
            .body(body)
            .build()
            .map_err(|_| ModelErrorKind::Malformed)
    }

    /// Puts the key into the request and sends it.
    async fn exchange(
        &self,
        client: &Client,
        mut request: Request,
        lent: Option<Lent>,
        cx: &CallContext,
        trace: &mut Trace,
    ) -> Result<Exchange, ModelErrorKind> {
        let key = lent.as_ref().map(Lent::secret);
        trace.key = key.map(describe);
        let answer = Answer::new(self.wire.reader(), key, self.config.max_answer_bytes);
        if let Some(key) = key {
            key::put(
                request.headers_mut(),
                &self.wire.key_header(&self.config),
                key,
            )?;
        }
        cx.progress.send_modify(|progress| progress.is_sent = true);
        // From here on the key is in the request alone: slow upstreams do not fill locked memory.
        let used = lent.map(Lent::put_away);
        let timeouts = self.config.timeouts;
        match timeout(
            timeouts.connect + timeouts.first_byte,
            client.execute(request),
        )
        .await
        {
            Err(_) => Err(ModelErrorKind::TimedOut {
                stage: Stage::FirstByte,
                after: timeouts.first_byte,
            }),
            Ok(Err(error)) => {
                trace.is_unsent = error.is_connect();
                Err(failure(&error, &self.config))
            }
            Ok(Ok(response)) => Ok(Exchange {
                response,
                answer,
                used,
            }),
        }
    }

    async fn read(
        &self,
        response: Response,
        answer: Answer,
        cx: &CallContext,
        trace: &mut Trace,
    ) -> Result<Whole, ModelErrorKind> {
        let max_bytes = self.config.max_answer_bytes;
        let status = response.status();
        trace.status = Some(status);
        trace.request_id = request_id(response.headers(), |text| answer.holds_key(text));
        if status.is_redirection() {
            return Err(ModelErrorKind::Redirected);
        }
        if !status.is_success() {
            let headers = response.headers().clone();
            let body = stream::whole(response.bytes_stream(), MAX_ERROR_BYTES).await;
            let refused = Refused {
                status,
                headers: &headers,
                body: &body.unwrap_or_default(),
            };
            return Err(match (self.wire.refusal(&refused), &self.config.secret) {
                (ModelErrorKind::BadKey, None) => ModelErrorKind::KeyMissing,
                (kind, _) => kind,
            });
        }
        trace.has_begun = true;
        let progress = |characters| {
            cx.progress.send_replace(Progress {
                characters,
                is_sent: true,
                has_begun: true,
            });
        };
        progress(0);
        let media_type = media_type(response.headers()).unwrap_or_default();
        let body = response.bytes_stream();
        if let Some(framing) = stream::framing(&media_type) {
            let reuse = self.config.connections == Connections::Pooled;
            return stream::events(body, framing, answer, max_bytes, reuse, progress).await;
        }
        if media_type == "application/json" {
            return stream::document(body, answer, max_bytes, progress).await;
        }
        Err(ModelErrorKind::Malformed)
    }
}

impl ModelProvider for HttpProvider {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn host(&self) -> String {
        self.config.base_url.authority().to_owned()
    }

    fn models(&self) -> &[ModelFacts] {
        &self.config.models
    }

    fn model(&self, name: &str) -> Option<Cow<'_, ModelFacts>> {
        let listed = self.config.models.iter().find(|model| model.name == name);
        let unlisted = || {
            let may_be = self.config.unlisted_models
                && is_model_name(name)
                && self.config.may_be_asked(name);
            may_be.then(|| Cow::Owned(ModelFacts::named(name)))
        };
        listed.map(Cow::Borrowed).or_else(unlisted)
    }

    fn secret(&self) -> Option<&SecretName> {
        self.config.secret.as_ref()
    }

    fn secrets(&self) -> Vec<&SecretName> {
        let certificate = self.config.client_certificate.as_ref();
        let client_key = certificate.map(|certificate| &certificate.key);
        self.secret().into_iter().chain(client_key).collect()
    }

    fn admits(&self, asker: &CallIdentity) -> bool {
        let mut keys = [&self.keys.key, &self.keys.client_key]
            .into_iter()
            .flatten();
        keys.all(|key| key.admits(asker))
    }

    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<Completion, ModelError>> {
        Box::pin(async move {
            let mut trace = Trace::default();
            let total = self.config.timeouts.total;
            let outcome = timeout(total, self.ask(request, cx, &mut trace))
                .await
                .unwrap_or(Err(ModelErrorKind::TimedOut {
                    stage: Stage::Total,
                    after: total,
                }));
            match outcome {
                Ok(Whole {
                    text,
                    finish_reason,
                    usage,
                }) => {
                    let usage = match usage {
                        Some(told) => told,
                        None => self.estimate(request, &text).await,
                    };
                    Ok(Completion {
                        answer: text,
                        model: request.model.clone(),
                        provider: self.config.name.clone(),
                        usage: Some(usage),
                        cost: self.cost(&request.model, Some(usage)),
                        key: trace.keys(),
                        instead_of: Vec::new(),
                        finish_reason,
                    })
                }
                Err(kind) => {
                    let about = Circumstances {
                        provider: Some(self.config.name.clone()),
                        model: Some(request.model.clone()),
                        status: trace.status.map(|status| status.as_u16()),
                        key: trace.keys(),
                        upstream_request_id: trace.request_id,
                        has_begun: trace.has_begun,
                        is_unsent: trace.is_unsent,
                        also_asked: Vec::new(),
                    };
                    Err(ModelError {
                        kind,
                        about: Box::new(about),
                    })
                }
            }
        })
    }
}

async fn lend(key: &Binding, asker: &CallIdentity, url: &Url) -> Result<Lent, ModelErrorKind> {
    let lent = key.lend(asker, url).await;
    lent.map_err(|error| ModelErrorKind::SecretUnavailable(Box::new(error)))
}

/// A key as the operator may know it.
fn describe(key: &Secret) -> String {
    match key.version() {
        Some(version) => format!("`{}` of {}, version {version}", key.name(), key.provider()),
        None => format!("`{}` of {}", key.name(), key.provider()),
    }
}

/// The media type, without its parameters and in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let told = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = told.split(';').next()?.trim();
    Some(essence.to_ascii_lowercase())
}

/// The vendor's id of this request, if it is one: it goes into our log, so it must not be a way
/// for a key or a line end to get there.
fn request_id(headers: &HeaderMap, holds_key: impl Fn(&str) -> bool) -> Option<String> {
    let id = headers
        .get("x-request-id")
        .or_else(|| headers.get("request-id"))
        .or_else(|| headers.get("x-amzn-requestid"))?
        .to_str()
        .ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_id = (1..=64).contains(&id.len()) && id.chars().all(plain) && !holds_key(id);
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: &str, holds_key: bool) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", value.parse().unwrap());
        request_id(&headers, |_| holds_key)
    }

    #[test]
    fn a_request_id_is_short_plain_and_not_the_key() {
        assert_eq!(id("req_0-9aZ", false).as_deref(), Some("req_0-9aZ"));
        assert_eq!(id("req_0-9aZ", true), None);
        for wrong in ["", "a b", "a=b", "a.b", "ä", &"x".repeat(65)] {
            assert_eq!(id(wrong, false), None, "{wrong}");
        }
    }
}

//! A model provider, kept within its limits.
//!
//! It is a provider itself, so that nobody who asks one has to know of it. One deadline is around
//! everything: waiting for a turn, every try, and the waits between them. A place in the queue is
//! held while the provider is asked, and not while a call waits to ask again.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    gate::{Gate, Place},
    hedge::Hedges,
    judgement::{evidence, is_safe_to_repeat, wish},
    metrics::ModelMetrics,
};
use crate::{
    call::{CallContext, CallIdentity},
    models::{
        Circumstances, Completion, CompletionRequest, ModelError, ModelErrorKind, ModelFacts,
        ModelProvider, ProviderConfig, Stage,
    },
    protection::{Breaker, Evidence, Permit, wait},
    secrets::SecretName,
};

/// The most models whose calls are counted apart, where any may be asked for.
const MAX_GATES: usize = 1000;

/// For so much longer than its deadline a connection that fails may take to say so.
const SETTLED: Duration = Duration::from_secs(1);

/// A provider within its limits.
pub(in crate::models) struct Careful {
    inner: Arc<dyn ModelProvider>,
    total: Duration,
    connect: Duration,
    retries: u32,
    hedge_after: Option<Duration>,
    breaker: Mutex<Breaker>,
    gate: Arc<Gate>,
    most_per_model: Option<usize>,
    most_waiting: usize,
    gates: Mutex<std::collections::HashMap<String, Arc<Gate>>>,
    metrics: ModelMetrics,
}

/// A try that was let pass by the breaker; dropped without an end, it says nothing of the provider.
pub(super) struct Try<'a> {
    breaker: &'a Mutex<Breaker>,
    permit: Option<Permit>,
}

impl Careful {
    pub(in crate::models) fn new(
        inner: Arc<dyn ModelProvider>,
        config: &ProviderConfig,
        metrics: ModelMetrics,
    ) -> Self {
        Self {
            inner,
            total: config.timeouts.total,
            connect: config.timeouts.connect,
            retries: config.retries,
            hedge_after: config.hedge_after,
            breaker: Mutex::new(Breaker::new(config.breaker)),
            gate: Gate::new(config.limits.concurrent, config.limits.waiting),
            most_per_model: config.limits.concurrent_per_model,
            most_waiting: config.limits.waiting,
            gates: Mutex::default(),
            metrics,
        }
    }

    fn error(&self, model: &str, kind: ModelErrorKind) -> ModelError {
        let about = Circumstances {
            provider: Some(self.inner.name().to_owned()),
            model: Some(model.to_owned()),
            ..Circumstances::default()
        };
        ModelError {
            kind,
            about: Box::new(about),
        }
    }

    /// Waits for a turn, first among the calls of the model, then among all of the provider.
    async fn enter(&self, model: &str, principal: &str) -> Result<Vec<Place>, ModelErrorKind> {
        let gates = [self.gate_of(model), Some(Arc::clone(&self.gate))];
        let mut places = Vec::with_capacity(2);
        for gate in gates.into_iter().flatten() {
            let place = gate.enter(principal).await;
            places.push(place.map_err(|_| ModelErrorKind::QueueFull)?);
        }
        Ok(places)
    }

    /// Places and leave to ask at once, if there are.
    pub(super) fn enter_now(&self, model: &str) -> Option<(Try<'_>, Vec<Place>)> {
        let gates = [self.gate_of(model), Some(Arc::clone(&self.gate))];
        let places: Option<Vec<Place>> = gates
            .into_iter()
            .flatten()
            .map(|gate| gate.enter_now())
            .collect();
        let places = places?;
        Some((self.admit().ok()?, places))
    }

    pub(super) fn count_hedge(&self, model: &str) {
        self.metrics
            .count_hedge(self.inner.name(), self.label(model));
    }

    /// A model's name in metrics: any may be asked for where models need not be listed.
    fn label<'a>(&self, model: &'a str) -> &'a str {
        let is_listed = self.models().iter().any(|listed| listed.name == model);
        if is_listed { model } else { "unlisted" }
    }

    fn gate_of(&self, model: &str) -> Option<Arc<Gate>> {
        let most = self.most_per_model?;
        let mut gates = lock(&self.gates);
        if gates.len() >= MAX_GATES && !gates.contains_key(model) {
            // Those that nobody else holds have nobody in them.
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let gate = gates
            .entry(model.to_owned())
            .or_insert_with(|| Gate::new(most, self.most_waiting));
        Some(Arc::clone(gate))
    }

    fn admit(&self) -> Result<Try<'_>, ModelErrorKind> {
        let admitted = lock(&self.breaker).admit(Instant::now());
        let permit = admitted.map_err(|refusal| ModelErrorKind::LeftAlone {
            retry_after: refusal.remaining,
        })?;
        Ok(Try {
            breaker: &self.breaker,
            permit: Some(permit),
        })
    }

    async fn ask(
        &self,
        request: &CompletionRequest,
        cx: &CallContext,
        until: Instant,
        hedges: &Hedges,
    ) -> Result<Completion, ModelError> {
        let mut tries = 0;
        let mut before: Option<ModelError> = None;
        loop {
            let places = self.enter(&request.model, &cx.identity.principal).await;
            let places = places.map_err(|kind| self.error(&request.model, kind))?;
            let admitted = match self.admit() {
                Ok(admitted) => admitted,
                // What this call met says more than that others met it, too.
                Err(kind) => return Err(before.unwrap_or_else(|| self.error(&request.model, kind))),
            };
            let once = async {
                let _places = places;
                self.once(request, cx, admitted).await
            };
            let answer = match self.hedge_after {
                Some(after) => self.hedged(request, cx, once, after, hedges).await,
                None => once.await,
            };
            let error = match answer {
                Err(error) if is_safe_to_repeat(&error) && tries < self.retries => error,
                ended => return ended,
            };
            tries += 1;
            let left = until.saturating_duration_since(Instant::now());
            let Some(wait) = wait(tries, wish(&error), Some(left), fastrand::f64()) else {
                return Err(error);
            };
            let code = error.code();
            tracing::debug!(
                provider = self.inner.name(),
                code,
                tries,
                "asking once more"
            );
            sleep(wait).await;
            before = Some(error);
        }
    }

    /// One try. Once it has lasted for longer than a connection may take there is a connection, and
    /// with it the provider: nobody else waits for the answer to know.
    pub(super) async fn once(
        &self,
        request: &CompletionRequest,
        cx: &CallContext,
        admitted: Try<'_>,
    ) -> Result<Completion, ModelError> {
        let mut asked = self.inner.complete(request, cx);
        tokio::select! {
            answer = &mut asked => {
                admitted.settle(evidence(&answer));
                answer
            }
            () = sleep(self.connect + SETTLED) => {
                admitted.settle(Evidence::Works);
                asked.await
            }
        }
    }
}

impl Try<'_> {
    fn settle(mut self, evidence: Evidence) {
        if let Some(permit) = self.permit.take() {
            lock(self.breaker).settle(permit, evidence, Instant::now());
        }
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            lock(self.breaker).settle(permit, Evidence::Nothing, Instant::now());
        }
    }
}

impl ModelProvider for Careful {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn models(&self) -> &[ModelFacts] {
        self.inner.models()
    }

    fn model(&self, name: &str) -> Option<std::borrow::Cow<'_, ModelFacts>> {
        self.inner.model(name)
    }

    fn host(&self) -> String {
        self.inner.host()
    }

    fn secret(&self) -> Option<&SecretName> {
        self.inner.secret()
    }

    fn secrets(&self) -> Vec<&SecretName> {
        self.inner.secrets()
    }

    fn admits(&self, asker: &CallIdentity) -> bool {
        self.inner.admits(asker)
    }

    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<Completion, ModelError>> {
        Box::pin(async move {
            let began = Instant::now();
            let until = began + self.total;
            let hedges = Hedges::default();
            let asked = timeout_at(until, self.ask(request, cx, until, &hedges)).await;
            let mut answer = asked.unwrap_or_else(|_| {
                let timed_out = ModelErrorKind::TimedOut {
                    stage: Stage::Total,
                    after: self.total,
                };
                Err(self.error(&request.model, timed_out))
            });
            hedges.told(&mut answer, &request.model, self.inner.name());
            let model = self.label(&request.model);
            self.metrics
                .count(self.inner.name(), model, &answer, began.elapsed());
            answer
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

//! A provider, kept within its limits.
//!
//! It is a provider itself, so that nobody who asks one has to know of it. The deadline is around
//! the whole of a fetch; a failure that is worth it is tried again within it; what the end says of
//! the store goes to the breaker, once a fetch however often it was tried.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    evidence::{evidence, is_worth_another_try},
    gate::{BreakerWatch, Gate},
};
use crate::{
    protection::wait,
    secrets::{
        Reference, SecretName,
        providers::{
            ErrorKind, Fetch, Limits, Lookup, OnError, Presence, ProviderError, SecretProvider,
        },
    },
    settings::milliseconds,
};

type Answer = Result<Lookup, ProviderError>;

/// A provider within its own [`Limits`].
pub struct Protected {
    inner: Arc<dyn SecretProvider>,
    limits: Limits,
    gate: Option<Gate>,
}

impl Protected {
    /// Puts `inner` behind the limits that it names. `watch` is told of each change of its breaker.
    #[must_use]
    pub fn new(inner: Arc<dyn SecretProvider>, watch: Option<BreakerWatch>) -> Self {
        let limits = inner.limits();
        let gate = limits
            .breaker
            .map(|settings| Gate::new(inner.name(), settings, watch));
        Self {
            inner,
            limits,
            gate,
        }
    }

    /// The breaker as it stands; `None` if the provider has none.
    #[cfg(test)]
    pub fn breaker(&self) -> Option<super::gate::BreakerReport> {
        self.gate.as_ref().map(Gate::report)
    }

    async fn ask(&self, fetches: &[Fetch<'_>]) -> Vec<Answer> {
        let admitted = match self.gate.as_ref().map(Gate::admit).transpose() {
            Ok(admitted) => admitted,
            Err(refused) => return fetches.iter().map(|_| Err(refused.clone())).collect(),
        };
        let answers = self.within_the_deadline(fetches).await;
        if let Some(admitted) = admitted {
            admitted.settle(evidence(&answers));
        }
        answers
    }

    async fn within_the_deadline(&self, fetches: &[Fetch<'_>]) -> Vec<Answer> {
        // A deadline beyond what a clock can tell is none.
        let end = self
            .limits
            .deadline
            .and_then(|deadline| Instant::now().checked_add(deadline));
        let mut answers: Vec<Option<Answer>> = fetches.iter().map(|_| None).collect();
        let asking = self.try_and_try(fetches, &mut answers, end);
        let is_late = match end {
            Some(end) => timeout_at(end, asking).await.is_err(),
            None => {
                asking.await;
                false
            }
        };
        answers
            .into_iter()
            .map(|answer| match answer {
                Some(answer) if !is_late || !is_open(&answer) => answer,
                last if is_late => Err(self.late(last.and_then(Result::err))),
                _ => left_out(),
            })
            .collect()
    }

    /// Asks until every question has an answer that stands, or no further try is allowed. What is
    /// known so far is always in `answers`, since this may be dropped at any wait.
    async fn try_and_try(
        &self,
        fetches: &[Fetch<'_>],
        answers: &mut [Option<Answer>],
        end: Option<Instant>,
    ) {
        for tries in 1.. {
            let open: Vec<usize> = (0..fetches.len())
                .filter(|&index| answers[index].as_ref().is_none_or(is_open))
                .collect();
            let asked: Vec<Fetch<'_>> = open.iter().map(|&index| fetches[index]).collect();
            let given = match asked[..] {
                [one] => vec![self.inner.fetch(one).await],
                _ => self.inner.fetch_many(&asked).await,
            };
            for (index, answer) in open.into_iter().zip(given) {
                answers[index] = Some(answer);
            }
            let failures: Vec<&ProviderError> = answers
                .iter()
                .filter_map(|answer| answer.as_ref()?.as_ref().err())
                .filter(|error| is_worth_another_try(error))
                .collect();
            if failures.is_empty() || tries > self.limits.retries {
                return;
            }
            let wish = failures.iter().filter_map(|error| error.retry_after).max();
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let Some(wait) = wait(tries, wish, left, fastrand::f64()) else {
                return;
            };
            tracing::debug!(
                provider = self.inner.name(),
                tries,
                wait_ms = milliseconds(wait),
                error = failures.first().map(tracing::field::display),
                "secret provider failed and is asked again"
            );
            sleep(wait).await;
        }
    }

    fn late(&self, last: Option<ProviderError>) -> ProviderError {
        let last = match &last {
            Some(failure) => format!("; the last failure: {failure}"),
            None => String::new(),
        };
        let detail = format!(
            "no answer within `secrets.providers.{}.timeout`, {:?}{last}",
            self.inner.name(),
            self.limits.deadline.unwrap_or_default()
        );
        ProviderError::new(ErrorKind::TimedOut, detail)
    }
}

/// Whether an answer may yet be replaced by that of another try.
fn is_open(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(is_worth_another_try)
}

/// A provider must answer each question; silence is not a miss.
fn left_out() -> Answer {
    Err(ProviderError::new(
        ErrorKind::ServerFailed,
        "the provider left a question out",
    ))
}

impl SecretProvider for Protected {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn locate(&self, name: &SecretName) -> Option<Reference> {
        self.inner.locate(name)
    }

    fn validate(&self, reference: &Reference) -> Result<(), String> {
        self.inner.validate(reference)
    }

    fn presence(&self, reference: &Reference) -> Presence {
        self.inner.presence(reference)
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            // What needs no store is not kept back by a store that fails.
            if let Some(held) = self.inner.at_hand(fetch, false).await {
                return held;
            }
            let answer = self.ask(&[fetch]).await.pop().unwrap_or_else(left_out);
            let Some(error) = answer.as_ref().err().filter(|e| e.kind.is_transient()) else {
                return answer;
            };
            let held = self.inner.at_hand(fetch, true).await;
            if held.is_some() {
                tracing::warn!(%error, "the store fails: what is held is used to its end");
            }
            held.unwrap_or(answer)
        })
    }

    fn at_hand<'a>(
        &'a self,
        fetch: Fetch<'a>,
        is_last_resort: bool,
    ) -> BoxFuture<'a, Option<Answer>> {
        self.inner.at_hand(fetch, is_last_resort)
    }

    fn on_error(&self) -> OnError {
        self.inner.on_error()
    }

    fn fetch_many<'a>(&'a self, fetches: &'a [Fetch<'a>]) -> BoxFuture<'a, Vec<Answer>> {
        Box::pin(async move {
            if fetches.is_empty() {
                Vec::new()
            } else {
                self.ask(fetches).await
            }
        })
    }

    fn asks_together(&self) -> bool {
        self.inner.asks_together()
    }

    fn is_fixed_at_start(&self) -> bool {
        self.inner.is_fixed_at_start()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn invalidate<'a>(&'a self, reference: &'a Reference) -> BoxFuture<'a, ()> {
        self.inner.invalidate(reference)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

impl fmt::Debug for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected")
            .field("provider", &self.inner.name())
            .field("limits", &self.limits)
            .field("gate", &self.gate)
            .finish()
    }
}

#[cfg(test)]
mod tests;

//! How the broker answers a question for a secret: what is kept, else one fetch for all who wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use reqwest::Url;
use tracing::Instrument;

use super::{Broker, Outcome};
use crate::{
    call::CallIdentity,
    secrets::{
        Consumer, NotAllowed, Secret, SecretError, SecretName,
        cache::{AfterRefusal, Fresh, Generation, Known, Mark, Refusal, Settled},
        chain::{self, Resolved, Step, Walk},
        document::{is_object, own_part},
        event::{SecretEvent, SecretOutcome},
        providers::{ErrorKind, ProviderError},
    },
    settings::milliseconds,
};

/// Under what a secret is kept and its fetch is shared: the name, and the principal where the place
/// depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::secrets) struct Key {
    pub(super) name: SecretName,
    pub(super) principal: Option<Arc<str>>,
}

/// A question: for which secret, for whom, on whose behalf.
#[derive(Clone, Copy)]
pub(in crate::secrets) struct Question<'a> {
    pub(in crate::secrets) name: &'a SecretName,
    pub(in crate::secrets) consumer: &'a Consumer,
    pub(in crate::secrets) asker: &'a CallIdentity,
}

/// What is known of the value that an upstream refused.
pub(in crate::secrets) struct Refused<'a> {
    pub(in crate::secrets) mark: Mark,
    pub(in crate::secrets) refusal: Refusal,
    pub(in crate::secrets) provider: &'a str,
    pub(in crate::secrets) version: Option<&'a str>,
}

/// Now, by the runtime's clock, so that tests can move it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Broker {
    /// Answers a question, and records it.
    pub(in crate::secrets) async fn answer(self: &Arc<Self>, question: Question<'_>) -> Outcome {
        let started = now();
        tracing::debug!(
            request_id = question.asker.request_id,
            secret = %question.name,
            consumer = question.consumer.label(),
            "secret asked for"
        );
        let (outcome, how) = self.find(question).await;
        let outcome = self.recorded(question, outcome, how, now() - started).await;
        self.log(question, &outcome, how, now() - started);
        outcome
    }

    /// After an upstream refused a value: another one if the store has another by now, else `None`.
    /// Calls that were refused the same value share one fetch.
    pub(in crate::secrets) async fn answer_after_refusal(
        self: &Arc<Self>,
        question: Question<'_>,
        refused: Refused<'_>,
    ) -> Result<Option<Arc<Secret>>, SecretError> {
        let started = now();
        let key = self.key(question)?;
        let Refused { mark, refusal, .. } = refused;
        let after = self.cache().refuse(&key, mark, refusal, started);
        let (outcome, was_asked) = match after {
            AfterRefusal::Newer(newer) => (Ok(newer), false),
            AfterRefusal::Same => {
                self.note_still_refused(question, &refused, started, false)
                    .await?;
                return Ok(None);
            }
            AfterRefusal::Nothing(generation) => {
                let mark = Some(refused.mark);
                let fetched = self.fetch(&key, generation, mark, question.asker);
                (fetched.await, true)
            }
        };
        match outcome {
            Ok(secret) if secret.mark() == refused.mark => {
                drop(secret);
                self.note_still_refused(question, &refused, started, was_asked)
                    .await?;
                Ok(None)
            }
            outcome => {
                let how = match &outcome {
                    Ok(_) => SecretOutcome::Rotated,
                    Err(error) => failure(error),
                };
                let latency = now() - started;
                let outcome = self.recorded(question, outcome, how, latency).await;
                self.log(question, &outcome, how, latency);
                outcome.map(Some)
            }
        }
    }

    /// Under what a secret is kept for a question, if the question is allowed.
    pub(in crate::secrets) fn key(&self, question: Question<'_>) -> Result<Key, SecretError> {
        let Question { name, asker, .. } = question;
        let access = &self.bound(name).access;
        if *question.consumer != Consumer::Operator
            && let Err(why) = access.check_call(&asker.tool, &asker.principal)
        {
            let name = name.clone();
            return Err(SecretError::NotAllowed { name, why });
        }
        let places = self.bound(name).places.as_deref().unwrap_or_default();
        let is_per_principal = places.iter().any(|place| place.is_per_principal());
        Ok(Key {
            name: name.clone(),
            principal: is_per_principal.then(|| asker.principal.as_str().into()),
        })
    }

    async fn find(self: &Arc<Self>, question: Question<'_>) -> (Outcome, SecretOutcome) {
        let key = match self.key(question) {
            Ok(key) => key,
            Err(error) => return (Err(error), SecretOutcome::NotAllowed),
        };
        let known = self.cache().look(&key, now());
        let generation = match known {
            Known::Value { value, refresh } => {
                if let Some(generation) = refresh {
                    self.refresh(&key, generation, value.mark(), question);
                }
                return (Ok(value), SecretOutcome::Hit);
            }
            Known::Miss => {
                let steps = self.steps(&key.name, key.principal.as_deref());
                let asked = steps.into_iter().flatten().map(|step| step.reference);
                let error = SecretError::NotFound {
                    name: key.name.clone(),
                    asked: asked.collect(),
                };
                return (Err(error), SecretOutcome::NotFound);
            }
            Known::Nothing(generation) => generation,
        };
        match self.fetch(&key, generation, None, question.asker).await {
            Ok(secret) => (Ok(secret), SecretOutcome::Fetched),
            Err(error) => {
                let stale = is_transient(&error).then(|| self.cache().stale(&key, now()));
                match stale.flatten() {
                    Some(stale) => {
                        let CallIdentity { request_id, .. } = question.asker;
                        tracing::warn!(
                            request_id,
                            error = error.operator(),
                            "a kept value is used beyond its `ttl`, as `stale_if_error` allows"
                        );
                        (Ok(stale), SecretOutcome::Stale)
                    }
                    None => {
                        let how = failure(&error);
                        (Err(error), how)
                    }
                }
            }
        }
    }

    /// Fetches, or joins the fetch under way. `refused` is the value that the caller cannot use.
    async fn fetch(
        self: &Arc<Self>,
        key: &Key,
        generation: Generation,
        refused: Option<Mark>,
        asker: &CallIdentity,
    ) -> Outcome {
        let flight = (key.clone(), generation);
        self.flights
            .join(&flight, || {
                self.flight(key.clone(), generation, refused, asker.clone())
            })
            .await
    }

    /// One fetch, from the first place to what is kept of its end.
    fn flight(
        self: &Arc<Self>,
        key: Key,
        generation: Generation,
        refused: Option<Mark>,
        asker: CallIdentity,
    ) -> BoxFuture<'static, Outcome> {
        let broker = Arc::clone(self);
        Box::pin(async move {
            let arrived = broker.cache().arrived(&key, refused, now());
            if let Some(value) = arrived {
                return Ok(value);
            }
            let Some(steps) = broker.steps(&key.name, key.principal.as_deref()) else {
                return Err(SecretError::PrincipalUnfit { name: key.name });
            };
            let was_refused = broker.cache().begins_recheck(&key);
            if was_refused {
                for step in &steps {
                    step.provider.invalidate(&step.reference).await;
                }
            }
            let walk = Walk::default();
            let span = tracing::debug_span!(
                "secret_fetch",
                secret = %key.name,
                request_id = asker.request_id
            );
            let resolved = broker
                .resolve(&key.name, &steps, &asker, walk)
                .instrument(span)
                .await;
            let outcome = resolved.map(|resolved| {
                let name = key.name.clone();
                Arc::new(Secret::new(name, resolved, &broker.marker))
            });
            broker.settle(&key, generation, &outcome);
            outcome
        })
    }

    /// Asks the places in turn, and exchanges what they have if that is wanted.
    pub(super) async fn resolve(
        &self,
        name: &SecretName,
        steps: &[Step],
        asker: &CallIdentity,
        walk: Walk<'_>,
    ) -> Result<Resolved, SecretError> {
        let mut resolved = chain::resolve(name, steps, asker, &self.pool, walk).await?;
        let failed = |provider: &str, error| SecretError::Provider {
            name: name.clone(),
            provider: provider.to_owned(),
            error,
        };
        let exchange = self.bound(name).exchange.as_ref();
        let takes_object = exchange.is_some_and(|exchange| exchange.takes_object());
        if !takes_object && resolved.is_whole && is_object(resolved.found.value.as_slice()) {
            let what = "the value is a JSON object; name the member that is the key, as in `#api_key`, or \
                        write `exchange` if it is the key of a service account";
            let error = ProviderError::new(ErrorKind::Malformed, what);
            return Err(failed(&resolved.provider, error));
        }
        if let Some(exchange) = exchange {
            let exchanged = exchange.exchanged(resolved.found, &self.pool).await;
            resolved.found = exchanged.map_err(|error| failed(&resolved.provider, error))?;
        }
        Ok(resolved)
    }

    fn settle(self: &Arc<Self>, key: &Key, generation: Generation, outcome: &Outcome) {
        let settled = match outcome {
            Ok(secret) => Settled::Found(Fresh {
                value: Arc::clone(secret),
                mark: secret.mark(),
                bytes: secret.expose(<[u8]>::len),
                expires_at: secret.expires_at(),
                is_fallback: secret.is_fallback(),
            }),
            Err(SecretError::NotFound { .. }) => Settled::Missed,
            Err(error) => Settled::Failed {
                is_transient: is_transient(error),
            },
        };
        let terms = self.bound(&key.name).terms;
        let early = fastrand::f64();
        self.cache()
            .settle(key, generation, settled, &terms, early, now());
        self.keep_house();
    }

    /// Fetches in the background a value that is soon at its end.
    fn refresh(
        self: &Arc<Self>,
        key: &Key,
        generation: Generation,
        current: Mark,
        question: Question<'_>,
    ) {
        let broker = Arc::clone(self);
        let key = key.clone();
        let (name, consumer) = (question.name.clone(), question.consumer.clone());
        let asker = question.asker.clone();
        self.housekeeping.spawn(async move {
            let started = now();
            let outcome = broker.fetch(&key, generation, Some(current), &asker).await;
            let how = match &outcome {
                Ok(_) => SecretOutcome::Refreshed,
                Err(error) => failure(error),
            };
            let question = Question {
                name: &name,
                consumer: &consumer,
                asker: &asker,
            };
            let outcome = broker
                .recorded(question, outcome, how, now() - started)
                .await;
            broker.log(question, &outcome, how, now() - started);
        });
    }

    async fn note_still_refused(
        &self,
        question: Question<'_>,
        refused: &Refused<'_>,
        started: Instant,
        was_asked: bool,
    ) -> Result<(), SecretError> {
        let Question {
            name,
            consumer,
            asker,
        } = question;
        if was_asked {
            tracing::warn!(
                request_id = asker.request_id,
                secret = %name,
                provider = refused.provider,
                version = refused.version,
                consumer = consumer.label(),
                "the secret is refused where it was sent, and its store still has the same; it was \
                 revoked there, or never valid"
            );
        }
        self.recorder
            .record(&SecretEvent {
                asker,
                consumer,
                name,
                outcome: SecretOutcome::StillRefused,
                provider: Some(refused.provider),
                version: refused.version,
                latency: now() - started,
                error: None,
            })
            .await
            .map_err(|_| SecretError::NotRecorded { name: name.clone() })
    }

    /// Records an answer; one that could not be recorded is not given.
    pub(super) async fn recorded(
        &self,
        question: Question<'_>,
        outcome: Outcome,
        how: SecretOutcome,
        latency: Duration,
    ) -> Outcome {
        let Question {
            name,
            consumer,
            asker,
        } = question;
        let error = outcome.as_ref().err().map(SecretError::operator);
        let secret = outcome.as_ref().ok();
        let event = SecretEvent {
            asker,
            consumer,
            name,
            outcome: how,
            provider: match &outcome {
                Ok(secret) => Some(secret.provider()),
                Err(SecretError::Provider { provider, .. }) => Some(provider),
                Err(_) => None,
            },
            version: secret.and_then(|secret| secret.version()),
            latency,
            error: error.as_deref(),
        };
        match self.recorder.record(&event).await {
            Ok(()) => {
                // Before anybody has it, so that it is recognised wherever it turns up.
                if let Ok(secret) = &outcome {
                    secret.expose(|value| self.live.remember(secret.mark(), own_part(value)));
                }
                outcome
            }
            Err(_) => Err(SecretError::NotRecorded { name: name.clone() }),
        }
    }

    fn log(&self, question: Question<'_>, outcome: &Outcome, how: SecretOutcome, took: Duration) {
        let CallIdentity {
            request_id,
            tool,
            principal,
        } = question.asker;
        let (outcome_label, elapsed_ms) = (how.label(), milliseconds(took));
        match outcome {
            Ok(secret) if how == SecretOutcome::Rotated => tracing::info!(
                request_id, tool, principal, secret = %question.name,
                provider = secret.provider(), version = secret.version(), elapsed_ms,
                "the secret was refused where it was sent, and its store has another"
            ),
            Ok(secret) => tracing::debug!(
                request_id, tool, principal, secret = %question.name,
                provider = secret.provider(), version = secret.version(),
                outcome = outcome_label, elapsed_ms, "secret had"
            ),
            Err(error) => tracing::warn!(
                request_id,
                tool,
                principal,
                error = error.operator(),
                elapsed_ms,
                "secret unavailable"
            ),
        }
    }

    /// Notes that a call is out with a value.
    pub(in crate::secrets) fn lend(&self, key: &Key, mark: Mark) {
        self.cache().lend(key, mark);
    }

    /// Notes that a call with a value has been answered.
    pub(in crate::secrets) fn give_back(&self, key: &Key, mark: Mark) {
        self.cache().give_back(key, mark);
    }

    /// Refuses, and records, the sending of a value to a host that it may not be sent to.
    pub(in crate::secrets) async fn check_host(
        &self,
        question: Question<'_>,
        url: &Url,
        home: Option<&Url>,
    ) -> Result<(), SecretError> {
        let checked = match home {
            Some(home) => self.bound(question.name).access.check_host(url, home),
            None => Err(NotAllowed::Host),
        };
        let Err(why) = checked else {
            return Ok(());
        };
        let name = question.name.clone();
        let refused = Err(SecretError::NotAllowed { name, why });
        let how = SecretOutcome::NotAllowed;
        let refused = self.recorded(question, refused, how, Duration::ZERO).await;
        self.log(question, &refused, how, Duration::ZERO);
        refused.map(drop)
    }
}

fn is_transient(error: &SecretError) -> bool {
    error.kind().is_some_and(|kind| kind.is_transient())
}

pub(super) fn failure(error: &SecretError) -> SecretOutcome {
    match error {
        SecretError::NotFound { .. } => SecretOutcome::NotFound,
        SecretError::NotAllowed { .. } | SecretError::PrincipalUnfit { .. } => {
            SecretOutcome::NotAllowed
        }
        error if error.kind() == Some(ErrorKind::CircuitOpen) => SecretOutcome::LeftAlone,
        _ => SecretOutcome::Failed,
    }
}

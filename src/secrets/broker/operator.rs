//! What an operator may ask of the broker: which secrets there are, whether each can be had, and
//! how one is found. Never a value.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Broker, Outcome, Question, asking::failure};
use crate::{
    call::CallIdentity,
    secrets::{
        Answered, Consumer, Secret, SecretError, SecretName, SecretOutcome,
        cache::Terms,
        chain::{Resolved, Walk},
        providers::{ErrorKind, Fetch, Lookup, OnError, ProviderError},
    },
};

/// How many secrets are asked for together: as many as the locked pool surely holds.
const TOGETHER: usize = 20;

/// One secret as configured.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: SecretName,
    /// Where it is looked for, in order.
    pub places: Vec<Place>,
    /// Whether the places are bound to the name; else they come from the chain.
    pub is_bound: bool,
    /// How long its values may be kept.
    pub terms: Terms,
    /// Hosts, tools, principals and model providers that may use it; `None`: not restricted.
    pub allowed: BTreeMap<&'static str, Option<Vec<String>>>,
}

/// A place where a secret is looked for.
#[derive(Debug)]
pub struct Place {
    /// The secret provider.
    pub provider: String,
    /// The reference; for a place that depends on the principal, as written.
    pub reference: String,
    /// Whether the chain goes on if this provider fails.
    pub goes_on_after_error: bool,
}

/// How a check of one secret ended.
pub struct Checked {
    /// Its name.
    pub name: SecretName,
    /// The secret, to be dropped, or why it could not be had.
    pub outcome: Result<Arc<Secret>, SecretError>,
    /// From the question to the answer.
    pub latency: Duration,
}

/// How one secret is found: what each place answered when it was asked just now.
#[derive(Debug)]
pub struct Explanation {
    /// What is configured.
    pub listed: Listed,
    /// What was answered, in order. Places after the last were not asked.
    pub answers: Vec<Answered>,
    /// Why there is none, for the operator; `None` if the secret was found.
    pub error: Option<String>,
}

impl Broker {
    /// What is configured of `name`.
    #[must_use]
    pub fn list(&self, name: &SecretName) -> Listed {
        let bound = self.bound(name);
        let place = |provider: &str, reference: String| Place {
            goes_on_after_error: self
                .providers
                .get(provider)
                .is_some_and(|provider| provider.on_error() == OnError::Next),
            provider: provider.to_owned(),
            reference,
        };
        let places = match &bound.places {
            Some(places) => {
                let texts = places.iter().map(|written| written.text());
                texts
                    .map(|text| {
                        let provider = text.split(':').next().unwrap_or_default().to_owned();
                        place(&provider, text)
                    })
                    .collect()
            }
            None => {
                let steps = self.steps(name, None).unwrap_or_default();
                steps
                    .iter()
                    .map(|step| place(step.provider.name(), step.reference.to_string()))
                    .collect()
            }
        };
        Listed {
            name: name.clone(),
            places,
            is_bound: bound.places.is_some(),
            terms: bound.terms,
            allowed: bound.access.lists(),
        }
    }

    /// Fetches each of `names` once, as a call would. First places of one provider are asked
    /// together where the provider's store allows it.
    pub async fn check(
        self: &Arc<Self>,
        names: &[SecretName],
        asker: &CallIdentity,
        mut each: impl FnMut(Checked),
    ) {
        for names in names.chunks(TOGETHER) {
            self.check_some(names, asker, &mut each).await;
        }
    }

    async fn check_some(
        self: &Arc<Self>,
        names: &[SecretName],
        asker: &CallIdentity,
        each: &mut impl FnMut(Checked),
    ) {
        let mut asked_together = self.ask_together(names, asker).await;
        for name in names {
            let started = Instant::now();
            let (first, spent) = asked_together.remove(name).unzip();
            let question = Question {
                name,
                consumer: &Consumer::Operator,
                asker,
            };
            let outcome = match first {
                Some(first) => self.go_on(question, first).await,
                None => self.answer(question).await,
            };
            each(Checked {
                name: name.clone(),
                outcome,
                latency: started.elapsed() + spent.unwrap_or_default(),
            });
        }
    }

    /// Asks the places of `name` as a call would, and tells what each answered.
    pub async fn explain(&self, name: &SecretName, asker: &CallIdentity) -> Explanation {
        let mut answers = Vec::new();
        let error = match self.steps(name, Some(&asker.principal)) {
            None => Some(SecretError::PrincipalUnfit { name: name.clone() }.operator()),
            Some(steps) => {
                let walk = Walk {
                    first: None,
                    told: Some(&mut answers),
                };
                let started = Instant::now();
                let resolved = self.resolve(name, &steps, asker, walk).await;
                let question = Question {
                    name,
                    consumer: &Consumer::Operator,
                    asker,
                };
                let told = self.told(question, resolved, started).await;
                told.err().map(|error| error.operator())
            }
        };
        Explanation {
            listed: self.list(name),
            answers,
            error,
        }
    }

    async fn ask_together(
        &self,
        names: &[SecretName],
        asker: &CallIdentity,
    ) -> BTreeMap<SecretName, (Result<Lookup, ProviderError>, Duration)> {
        let mut by_provider: BTreeMap<&'static str, Vec<(SecretName, _)>> = BTreeMap::new();
        for name in names {
            let steps = self.steps(name, Some(&asker.principal));
            if let Some(first) = steps.into_iter().flatten().next() {
                let of_provider = by_provider.entry(first.provider.name()).or_default();
                of_provider.push((name.clone(), first));
            }
        }
        let mut answers = BTreeMap::new();
        for steps in by_provider.into_values().filter(|steps| steps.len() > 1) {
            let fetches: Vec<_> = steps
                .iter()
                .map(|(_, step)| Fetch {
                    reference: &step.reference,
                    asker,
                    pool: &self.pool,
                })
                .collect();
            let Some((_, first)) = steps.first() else {
                continue;
            };
            if !first.provider.asks_together() {
                continue;
            }
            let started = Instant::now();
            let told = first.provider.fetch_many(&fetches).await;
            let spent = started.elapsed();
            for ((name, _), answer) in steps.iter().zip(told) {
                // Too many at once for the locked pool: this one is asked for alone.
                let has_no_room = |error: &ProviderError| error.kind == ErrorKind::PoolFull;
                if answer.as_ref().is_err_and(has_no_room) {
                    continue;
                }
                answers.insert(name.clone(), (answer, spent));
            }
        }
        answers
    }

    /// Walks on from the first place's answer.
    async fn go_on(&self, question: Question<'_>, first: Result<Lookup, ProviderError>) -> Outcome {
        let name = question.name;
        let steps = self.steps(name, Some(&question.asker.principal));
        let walk = Walk {
            first: Some(first),
            told: None,
        };
        let steps = steps.unwrap_or_default();
        let started = Instant::now();
        let resolved = self.resolve(name, &steps, question.asker, walk).await;
        self.told(question, resolved, started).await
    }

    /// Records what an operator's question came to, as for a call.
    async fn told(
        &self,
        question: Question<'_>,
        resolved: Result<Resolved, SecretError>,
        started: Instant,
    ) -> Outcome {
        let name = question.name;
        let outcome =
            resolved.map(|resolved| Arc::new(Secret::new(name.clone(), resolved, &self.marker)));
        let how = match &outcome {
            Ok(_) => SecretOutcome::Fetched,
            Err(error) => failure(error),
        };
        self.recorded(question, outcome, how, started.elapsed())
            .await
    }
}

//! The chain: asks the places where a secret may live, one after another, and knows when to stop.
//!
//! Only a clear *not found* moves on. Any failure stops the call, because otherwise whoever can
//! break the first store chooses which store the key comes from; an operator may lift that for
//! one provider with `on_error: next`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Reference, SecretError, SecretName,
    memory::Pool,
    providers::{ErrorKind, Fetch, Found, Lookup, OnError, ProviderError, SecretProvider},
};
use crate::call::CallIdentity;

/// One place to ask.
pub(super) struct Step {
    pub(super) provider: Arc<dyn SecretProvider>,
    pub(super) reference: Reference,
}

/// A secret that was found.
pub(super) struct Resolved {
    pub(super) provider: Arc<str>,
    pub(super) found: Found,
    /// Whether a place before this one failed, and `on_error: next` let that pass.
    pub(super) is_fallback: bool,
    /// Whether it is all of what is stored there, and not a field of it.
    pub(super) is_whole: bool,
}

/// What one place answered, for the operator who asks how a secret is found.
#[derive(Debug)]
pub struct Answered {
    /// The place, as it was asked.
    pub reference: Reference,
    /// What it answered.
    pub answer: Told,
    /// From the question to the answer.
    pub latency: Duration,
}

/// A place's answer, without the value.
#[derive(Debug)]
pub enum Told {
    /// The secret is here.
    Found {
        /// The provider's version of it.
        version: Option<String>,
    },
    /// Nothing is here, so the next place is asked.
    Miss,
    /// It could not be told.
    Failed {
        /// Why, for the operator.
        error: ProviderError,
        /// Whether the chain went on all the same (`on_error: next`).
        goes_on: bool,
    },
}

/// What may go along on a walk.
#[derive(Default)]
pub(super) struct Walk<'a> {
    /// The first place's answer, if it was asked already.
    pub(super) first: Option<Result<Lookup, ProviderError>>,
    /// Where to write down what each place answered.
    pub(super) told: Option<&'a mut Vec<Answered>>,
}

/// Walks `steps` in order.
///
/// A failure that `on_error: next` let pass is still the answer if nobody after it has the
/// secret: "not found" would hide it.
pub(super) async fn resolve(
    name: &SecretName,
    steps: &[Step],
    asker: &CallIdentity,
    pool: &Pool,
    mut walk: Walk<'_>,
) -> Result<Resolved, SecretError> {
    let mut passed_over = None;
    for Step {
        provider,
        reference,
    } in steps
    {
        let started = Instant::now();
        let answer = match walk.first.take() {
            Some(answer) => answer,
            None => {
                let fetch = Fetch {
                    reference,
                    asker,
                    pool,
                };
                provider.fetch(fetch).await
            }
        };
        if let Some(told) = &mut walk.told {
            told.push(Answered {
                reference: reference.clone(),
                answer: tell(&answer, provider.on_error()),
                latency: started.elapsed(),
            });
        }
        match answer {
            Ok(Lookup::Found(found)) => {
                return Ok(Resolved {
                    provider: provider.name().into(),
                    found,
                    is_fallback: passed_over.is_some(),
                    is_whole: reference.field().is_none(),
                });
            }
            Ok(Lookup::Miss) => {
                tracing::debug!(secret = %name, provider = provider.name(), "not found, next");
            }
            Err(error) => {
                let error = SecretError::Provider {
                    name: name.clone(),
                    provider: provider.name().to_owned(),
                    error,
                };
                if !error
                    .kind()
                    .is_some_and(|kind| passes(kind, provider.on_error()))
                {
                    return Err(error);
                }
                tracing::warn!(
                    request_id = asker.request_id,
                    error = error.operator(),
                    "secret provider failed; `on_error: next` lets the chain go on"
                );
                passed_over.get_or_insert(error);
            }
        }
    }
    Err(passed_over.unwrap_or_else(|| match steps {
        [] => SecretError::NoReference { name: name.clone() },
        steps => SecretError::NotFound {
            name: name.clone(),
            asked: steps.iter().map(|step| step.reference.clone()).collect(),
        },
    }))
}

fn tell(answer: &Result<Lookup, ProviderError>, on_error: OnError) -> Told {
    match answer {
        Ok(Lookup::Found(found)) => Told::Found {
            version: found.version.clone(),
        },
        Ok(Lookup::Miss) => Told::Miss,
        Err(error) => Told::Failed {
            error: error.clone(),
            goes_on: passes(error.kind, on_error),
        },
    }
}

/// Whether a failure lets the chain go on. Two no setting lets pass: a deleted key must not be
/// replaced by an older one from elsewhere, and a pool that is full of other calls must not decide
/// where a key comes from.
fn passes(kind: ErrorKind, on_error: OnError) -> bool {
    on_error == OnError::Next && !matches!(kind, ErrorKind::Deleted | ErrorKind::PoolFull)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;
    use crate::secrets::providers::Presence;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Answer {
        Hit,
        Miss,
        Fails(OnError, ErrorKind),
    }

    struct Scripted {
        answer: Answer,
        place: usize,
        asked: Arc<Mutex<Vec<usize>>>,
    }

    impl SecretProvider for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }
        fn locate(&self, _: &SecretName) -> Option<Reference> {
            None
        }
        fn validate(&self, _: &Reference) -> Result<(), String> {
            Ok(())
        }
        fn presence(&self, _: &Reference) -> Presence {
            Presence::Unknown
        }
        fn on_error(&self) -> OnError {
            match self.answer {
                Answer::Fails(on_error, _) => on_error,
                _ => OnError::Stop,
            }
        }
        fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
            self.asked.lock().unwrap().push(self.place);
            Box::pin(async move {
                match self.answer {
                    Answer::Hit => Ok(Lookup::Found(Found {
                        value: Arc::new(fetch.pool.store(b"value").await.unwrap()),
                        version: Some(self.place.to_string()),
                        created_at: None,
                        expires_at: None,
                    })),
                    Answer::Miss => Ok(Lookup::Miss),
                    Answer::Fails(_, kind) => Err(ProviderError::new(kind, "failed")),
                }
            })
        }
    }

    fn answers() -> impl Strategy<Value = Vec<Answer>> {
        let answer = prop_oneof![
            Just(Answer::Hit),
            Just(Answer::Miss),
            Just(Answer::Fails(OnError::Stop, ErrorKind::Sealed)),
            Just(Answer::Fails(OnError::Next, ErrorKind::Sealed)),
            Just(Answer::Fails(OnError::Next, ErrorKind::Deleted)),
            Just(Answer::Fails(OnError::Next, ErrorKind::PoolFull)),
        ];
        prop::collection::vec(answer, 0..7)
    }

    proptest! {
        #[test]
        fn the_chain_ends_at_the_first_hit_or_stopping_failure(answers in answers()) {
            let asked = Arc::new(Mutex::new(Vec::new()));
            let steps: Vec<Step> = answers
                .iter()
                .enumerate()
                .map(|(place, answer)| Step {
                    provider: Arc::new(Scripted { answer: *answer, place, asked: asked.clone() }),
                    reference: "env:X".parse().unwrap(),
                })
                .collect();
            let name = "k".parse().unwrap();
            let asker = CallIdentity {
                request_id: "r".into(), tool: "t".into(), principal: "local".into(),
            };
            let pool = Pool::reserve();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let outcome = runtime.block_on(resolve(&name, &steps, &asker, &pool, Walk::default()));

            let passes = Answer::Fails(OnError::Next, ErrorKind::Sealed);
            let ends = |a: &Answer| *a != Answer::Miss && *a != passes;
            let end = answers.iter().position(ends);
            let expected_asked = end.map_or(answers.len(), |end| end + 1);
            prop_assert_eq!(&*asked.lock().unwrap(), &(0..expected_asked).collect::<Vec<_>>());
            let passed_over = answers.contains(&passes);
            let passed_over_before =
                |end: Option<usize>| end.is_some_and(|end| answers[..end].contains(&passes));
            let as_told = match (end.map(|end| answers[end]), &outcome) {
                (Some(Answer::Hit), Ok(hit)) => {
                    hit.is_fallback == passed_over_before(end)
                        && hit.found.version == end.map(|e| e.to_string())
                }
                (Some(_), Err(SecretError::Provider { .. })) => true,
                (None, Err(SecretError::NoReference { .. })) => answers.is_empty(),
                (None, Err(SecretError::Provider { .. })) => passed_over,
                (None, Err(SecretError::NotFound { .. })) => !passed_over && !answers.is_empty(),
                _ => false,
            };
            prop_assert!(as_told, "unexpected outcome");
        }
    }
}

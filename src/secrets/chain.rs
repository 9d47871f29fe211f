//! The chain: asks the places where a secret may live, one after another, and knows when to stop.
//!
//! Only a clear *not found* moves on. Any failure stops the call, because otherwise whoever can
//! break the first store chooses which store the key comes from; an operator may lift that for
//! one provider with `on_error: next`.

use std::sync::Arc;

use super::{
    Reference, SecretError, SecretName,
    memory::Pool,
    providers::{ErrorKind, Fetch, Found, Lookup, OnError, SecretProvider},
};
use crate::call::CallIdentity;

/// One place to ask.
pub(super) struct Step {
    pub(super) provider: Arc<dyn SecretProvider>,
    pub(super) reference: Reference,
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
) -> Result<(Arc<str>, Found), SecretError> {
    let mut passed_over = None;
    for Step {
        provider,
        reference,
    } in steps
    {
        match provider
            .fetch(Fetch {
                reference,
                asker,
                pool,
            })
            .await
        {
            Ok(Lookup::Found(found)) => return Ok((provider.name().into(), found)),
            Ok(Lookup::Miss) => {
                tracing::debug!(secret = %name, provider = provider.name(), "not found, next");
            }
            Err(error) => {
                let error = SecretError::Provider {
                    name: name.clone(),
                    provider: provider.name().to_owned(),
                    error,
                };
                if provider.on_error() == OnError::Stop || error.kind().is_some_and(always_stops) {
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

/// Failures that no setting lets pass: a deleted key must not be replaced by an older one from
/// elsewhere, and a pool that is full of other calls must not decide where a key comes from.
fn always_stops(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Deleted | ErrorKind::PoolFull)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;
    use crate::secrets::providers::{Presence, ProviderError};

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
            let outcome = runtime.block_on(resolve(&name, &steps, &asker, &pool));

            let passes = Answer::Fails(OnError::Next, ErrorKind::Sealed);
            let ends = |a: &Answer| *a != Answer::Miss && *a != passes;
            let end = answers.iter().position(ends);
            let expected_asked = end.map_or(answers.len(), |end| end + 1);
            prop_assert_eq!(&*asked.lock().unwrap(), &(0..expected_asked).collect::<Vec<_>>());
            let passed_over = answers.contains(&passes);
            let as_told = match (end.map(|end| answers[end]), &outcome) {
                (Some(Answer::Hit), Ok((_, found))) => found.version == end.map(|e| e.to_string()),
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

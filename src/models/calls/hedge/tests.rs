//! Two requests for one call, by a provider that keeps to a timetable and a clock that is moved.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::*;
use crate::{
    call::CallIdentity,
    models::{
        ModelErrorKind, ModelFacts, ModelMetrics, ModelProvider, ModelProviderSettings,
        ModelsSettings, ProviderList, resolve,
    },
    secrets::SecretName,
};

/// When a request begins to be answered, when that ends, in seconds; and how.
type Pace = (Option<u64>, u64, Ends);

/// How.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    Well,
    Broken,
    /// Refused for the rate: nothing was done, and it may be asked again.
    Limited,
}
use Ends::{Broken, Limited, Well};

/// Keeps to the timetable, request by request.
struct Paced {
    paces: Mutex<VecDeque<Pace>>,
    asked: AtomicUsize,
    ended: AtomicUsize,
    facts: Vec<ModelFacts>,
}

impl ModelProvider for Paced {
    fn name(&self) -> &'static str {
        "paced"
    }

    fn host(&self) -> String {
        "paced.example".to_owned()
    }

    fn models(&self) -> &[ModelFacts] {
        &self.facts
    }

    fn secret(&self) -> Option<&SecretName> {
        None
    }

    fn admits(&self, _: &CallIdentity) -> bool {
        true
    }

    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Answer> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let (begins, ends, how) = self.paces.lock().unwrap().pop_front().unwrap();
        Box::pin(async move {
            let asked = Instant::now();
            cx.progress.send_modify(|progress| progress.is_sent = true);
            if let Some(begins) = begins {
                sleep(Duration::from_secs(begins)).await;
                cx.progress.send_replace(Progress {
                    characters: number as u64,
                    is_sent: true,
                    has_begun: true,
                });
            }
            tokio::time::sleep_until(asked + Duration::from_secs(ends)).await;
            self.ended.fetch_add(1, Ordering::SeqCst);
            match how {
                Well => {}
                Broken => return Err(ModelError::new(ModelErrorKind::Incomplete)),
                Limited => {
                    let retry_after = None;
                    return Err(ModelError::new(ModelErrorKind::RateLimited { retry_after }));
                }
            }
            Ok(Completion {
                answer: number.to_string(),
                model: request.model.clone(),
                provider: "paced".to_owned(),
                usage: None,
                cost: None,
                key: None,
                instead_of: Vec::new(),
                finish_reason: "stop",
            })
        })
    }
}

/// How a call ended.
struct Seen {
    answer: Answer,
    /// How many requests were made, and how many of them came to their end.
    requests: (usize, usize),
    took: u64,
    progress: Progress,
}

async fn seen(yaml: &str, paces: &[Pace]) -> Seen {
    let inner = Arc::new(Paced {
        paces: Mutex::new(paces.iter().copied().collect()),
        asked: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
        facts: vec![ModelFacts::named("m")],
    });
    let yaml = format!("{{ base_url: 'http://127.0.0.1/v1', models: [m], {yaml} }}");
    let settings: ModelProviderSettings = serde_saphyr::from_str(&yaml).unwrap();
    let settings = ModelsSettings {
        providers: ProviderList(vec![("paced".to_owned(), settings)]),
        ..Default::default()
    };
    let config = resolve(&settings, |_| crate::secrets::KeyState::None).unwrap();
    let provider: Arc<dyn ModelProvider> = Arc::<Paced>::clone(&inner);
    let careful = Careful::new(provider, &config[0], ModelMetrics::default());
    let request = CompletionRequest {
        model: "m".to_owned(),
        ..Default::default()
    };
    let cx = CallContext::new(CallIdentity {
        request_id: "0".repeat(32),
        tool: "chat".to_owned(),
        principal: "a".to_owned(),
    });
    let asked = Instant::now();
    let answer = careful.complete(&request, &cx).await;
    Seen {
        answer,
        requests: (
            inner.asked.load(Ordering::SeqCst),
            inner.ended.load(Ordering::SeqCst),
        ),
        took: asked.elapsed().as_secs(),
        progress: *cx.progress.borrow(),
    }
}

fn told(answer: &Answer) -> (&str, Vec<&str>) {
    let completion = answer.as_ref().unwrap();
    let because = completion.instead_of.iter().map(|other| other.because);
    (&completion.answer, because.collect())
}

const HEDGE: &str = "hedge_after: 2s, retries: 0";

#[tokio::test(start_paused = true)]
async fn who_begins_first_is_listened_to_and_the_other_is_left() {
    // The first begins before the second is sent, just before it begins, and after it.
    for (paces, answer, requests, took) in [
        (&[(Some(1), 9, Well)][..], ("1", vec![]), (1, 1), 9),
        (
            &[(Some(4), 9, Well), (Some(3), 4, Well)],
            ("1", vec!["hedged"]),
            (2, 1),
            9,
        ),
        (
            &[(Some(8), 9, Well), (Some(1), 4, Well)],
            ("2", vec!["hedged"]),
            (2, 1),
            6,
        ),
        (
            &[(None, 9, Well), (None, 4, Well)],
            ("2", vec!["hedged"]),
            (2, 1),
            6,
        ),
    ] {
        let seen = seen(HEDGE, paces).await;
        assert_eq!(told(&seen.answer), answer, "{paces:?}");
        assert_eq!((seen.requests, seen.took), (requests, took), "{paces:?}");
        if paces[0].0.is_some() {
            assert_eq!(seen.progress.characters.to_string(), answer.0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_before_either_began_leaves_the_other_its_chance() {
    for (paces, expected, took) in [
        (&[(None, 3, Broken), (Some(4), 5, Well)], Ok("2"), 7),
        (&[(None, 9, Well), (None, 1, Broken)], Ok("1"), 9),
        (
            &[(None, 3, Broken), (None, 4, Broken)],
            Err("incomplete_answer"),
            6,
        ),
    ] {
        let seen = seen(HEDGE, paces).await;
        assert_eq!((seen.requests, seen.took), ((2, 2), took), "{paces:?}");
        match expected {
            Ok(answer) => assert_eq!(told(&seen.answer), (answer, vec!["hedged"])),
            Err(code) => {
                let error = seen.answer.unwrap_err();
                assert_eq!(error.code(), code);
                assert_eq!(error.about.also_asked[0].because, "hedged");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_failures_the_one_is_told_that_forbids_more() {
    let hedge = "hedge_after: 2s, retries: 1";
    for paces in [
        [(None, 3, Limited), (Some(2), 4, Broken)],
        [(None, 9, Limited), (None, 1, Broken)],
    ] {
        let seen = seen(hedge, &paces).await;
        assert_eq!(seen.answer.unwrap_err().code(), "incomplete_answer");
        assert_eq!(seen.requests.0, 2, "not asked once more");
    }
    // Where neither did anything it is, and what was sent beside is told with the answer.
    let paces = [(None, 3, Limited), (None, 3, Limited), (Some(1), 1, Well)];
    let seen = seen(hedge, &paces).await;
    assert_eq!(told(&seen.answer), ("3", vec!["hedged"]));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_beside_is_told_when_the_call_runs_out_of_time() {
    let hedge = "hedge_after: 2s, retries: 0, timeouts: { total: 8s }";
    let seen = seen(hedge, &[(None, 9, Well), (None, 9, Well)]).await;
    let error = seen.answer.unwrap_err();
    assert_eq!(error.code(), "timed_out");
    assert_eq!(error.about.also_asked[0].because, "hedged");
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_or_a_free_place_there_is_one_request() {
    for yaml in ["retries: 0", "hedge_after: 2s, limits: { concurrent: 1 }"] {
        let seen = seen(yaml, &[(Some(8), 9, Well)]).await;
        assert_eq!(told(&seen.answer), ("1", vec![]), "{yaml}");
        assert_eq!(seen.requests, (1, 1));
    }
}

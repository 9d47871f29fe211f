//! Limits, tries, the breaker and the deadline, with a provider that does as it is told and a clock
//! that is moved.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::*;
use crate::models::{ModelProviderSettings, ModelsSettings, ProviderList, Usage, resolve};

/// Gives its answers in turn, then succeeds; holds calls while there is no permit.
struct Told {
    answers: Mutex<VecDeque<ModelError>>,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    permits: Semaphore,
    order: Mutex<Vec<String>>,
    facts: Vec<ModelFacts>,
}

impl Told {
    fn new(answers: impl IntoIterator<Item = ModelError>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            asked: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            permits: Semaphore::new(1_000_000),
            order: Mutex::default(),
            facts: vec![ModelFacts::named("m")],
        })
    }
}

impl ModelProvider for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn host(&self) -> String {
        "told.example".to_owned()
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
    ) -> BoxFuture<'a, Result<Completion, ModelError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            let _held = self.permits.acquire().await.unwrap();
            lock(&self.order).push(cx.identity.principal.clone());
            tokio::task::yield_now().await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            match lock(&self.answers).pop_front() {
                Some(error) => Err(error),
                None => Ok(Completion {
                    answer: "pong".to_owned(),
                    model: request.model.clone(),
                    provider: "told".to_owned(),
                    usage: Some(Usage::default()),
                    cost: None,
                    key: None,
                    instead_of: Vec::new(),
                    finish_reason: "stop",
                }),
            }
        })
    }
}

fn careful(inner: &Arc<Told>, yaml: &str) -> Arc<Careful> {
    let yaml = format!("{{ base_url: 'http://127.0.0.1/v1', models: [m], {yaml} }}");
    let settings: ModelProviderSettings = serde_saphyr::from_str(&yaml).unwrap();
    let settings = ModelsSettings {
        providers: ProviderList(vec![("told".to_owned(), settings)]),
        ..Default::default()
    };
    let config = resolve(&settings, |_| crate::secrets::KeyState::None)
        .unwrap()
        .remove(0);
    let inner: Arc<dyn ModelProvider> = Arc::<Told>::clone(inner);
    Arc::new(Careful::new(inner, &config, ModelMetrics::default()))
}

async fn ask(careful: &Careful, principal: &str) -> Result<Completion, ModelError> {
    let request = CompletionRequest {
        model: "m".to_owned(),
        ..Default::default()
    };
    let cx = CallContext::new(CallIdentity {
        request_id: "0".repeat(32),
        tool: "chat".to_owned(),
        principal: principal.to_owned(),
    });
    careful.complete(&request, &cx).await
}

fn limited(retry_after: Option<Duration>) -> ModelError {
    let mut error = ModelError::new(ModelErrorKind::RateLimited { retry_after });
    error.about.status = Some(429);
    error
}

fn down(change: impl FnOnce(&mut Circumstances)) -> ModelError {
    let mut error = ModelError::new(ModelErrorKind::UpstreamDown {
        retry_after: None,
        cause: None,
    });
    change(&mut error.about);
    error
}

#[tokio::test(start_paused = true)]
async fn what_is_safe_is_tried_again_after_the_wait_that_the_vendor_wants() {
    let inner = Told::new([
        limited(Some(Duration::from_secs(7))),
        down(|about| about.status = Some(503)),
    ]);
    let began = Instant::now();
    assert_eq!(ask(&careful(&inner, ""), "a").await.unwrap().answer, "pong");
    assert_eq!(inner.asked.load(Ordering::SeqCst), 3);
    assert!(began.elapsed() >= Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn tries_end_with_their_number_and_with_the_deadline() {
    let inner = Told::new((0..9).map(|_| limited(None)));
    assert_eq!(
        ask(&careful(&inner, "retries: 1"), "a")
            .await
            .unwrap_err()
            .code(),
        "rate_limited"
    );
    assert_eq!(inner.asked.load(Ordering::SeqCst), 2);
    let inner = Told::new([limited(Some(Duration::from_secs(61)))]);
    let short = careful(&inner, "timeouts: { total: 60s }");
    let began = Instant::now();
    assert_eq!(ask(&short, "a").await.unwrap_err().code(), "rate_limited");
    // It would have come too late, so nobody waited for it.
    assert_eq!(
        (inner.asked.load(Ordering::SeqCst), began.elapsed()),
        (1, Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn what_could_be_answered_twice_is_not_tried_again() {
    for error in [
        down(|about| (about.status, about.has_begun) = (Some(200), true)),
        down(|_| {}),
        ModelError::new(ModelErrorKind::BadKey),
        ModelError::new(ModelErrorKind::Incomplete),
    ] {
        let inner = Told::new([error]);
        assert!(ask(&careful(&inner, ""), "a").await.is_err());
        assert_eq!(inner.asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_keeps_failing_is_left_alone_and_then_tried_by_one_call() {
    let inner = Told::new((0..3).map(|_| down(|about| about.is_unsent = true)));
    let careful = careful(
        &inner,
        "retries: 0, breaker: { failures: 3, open_for: 10s }",
    );
    for _ in 0..3 {
        assert_eq!(
            ask(&careful, "a").await.unwrap_err().code(),
            "upstream_down"
        );
    }
    let refused = ask(&careful, "a").await.unwrap_err();
    assert_eq!(refused.code(), "left_alone");
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(10)));
    assert_eq!(inner.asked.load(Ordering::SeqCst), 3);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(ask(&careful, "a").await.is_ok());
    assert!(ask(&careful, "a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn five_hundred_calls_of_ten_principals_share_fifty_places_and_none_starves() {
    let inner = Told::new([]);
    let careful = careful(&inner, "limits: { concurrent: 50 }");
    let calls = (0..500).map(|number| {
        let careful = Arc::clone(&careful);
        // The first principal is there first, with all of its calls.
        let principal = (number / 50).to_string();
        async move { ask(&careful, &principal).await }
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(inner.most_at_once.load(Ordering::SeqCst), 50);
    let order = lock(&inner.order).clone();
    // Behind the fifty that found a free place, the other nine take turns.
    for principal in 1..10 {
        let name = principal.to_string();
        let first = order.iter().position(|other| *other == name).unwrap();
        assert!(first < 50 + 10, "{principal} waited for {first} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_and_a_wait_that_is_too_long_are_told() {
    let inner = Told::new([]);
    inner.permits.forget_permits(1_000_000);
    let limits =
        "limits: { concurrent: 2, concurrent_per_model: 1, waiting: 1 }, timeouts: { total: 30s }";
    let careful = careful(&inner, limits);
    let calls = (0..3).map(|_| ask(&careful, "a"));
    let answers = join_all(calls).await;
    let mut codes: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap_err().code())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, ["queue_full", "timed_out", "timed_out"]);
    // Whoever gave up holds no place.
    inner.permits.add_permits(10);
    assert!(ask(&careful, "a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_one_model_or_one_prompt_does_closes_the_provider_for_nobody() {
    let inner = Told::new((0..9).map(|_| down(|about| about.status = Some(502))));
    let careful = careful(
        &inner,
        "retries: 0, breaker: { failures: 1, open_for: 10s }",
    );
    for _ in 0..9 {
        assert_eq!(
            ask(&careful, "a").await.unwrap_err().code(),
            "upstream_down"
        );
    }
    assert!(ask(&careful, "a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_tries_a_provider_for_all_holds_the_others_up_no_longer_than_a_connection_takes()
 {
    let inner = Told::new([down(|about| about.is_unsent = true)]);
    let careful = careful(
        &inner,
        "retries: 0, breaker: { failures: 1, open_for: 10s }",
    );
    assert!(ask(&careful, "a").await.is_err());
    tokio::time::advance(Duration::from_secs(10)).await;
    inner.permits.forget_permits(1_000_000);
    let long = tokio::spawn({
        let careful = Arc::clone(&careful);
        async move { ask(&careful, "a").await }
    });
    tokio::task::yield_now().await;
    assert_eq!(ask(&careful, "b").await.unwrap_err().code(), "left_alone");
    tokio::time::sleep(Duration::from_secs(12)).await;
    inner.permits.add_permits(10);
    assert!(ask(&careful, "b").await.is_ok());
    assert!(long.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_is_told_what_it_met_itself() {
    let inner = Told::new((0..2).map(|_| down(|about| about.is_unsent = true)));
    let careful = careful(
        &inner,
        "retries: 5, breaker: { failures: 2, open_for: 10s }",
    );
    assert_eq!(
        ask(&careful, "a").await.unwrap_err().code(),
        "upstream_down"
    );
}

//! The provider against the stand-in: over a real connection, with a real broker whose only
//! provider holds one key.

mod misbehaviour;
mod tokens;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::json;

use super::ChatCompletions;
use crate::{
    call::{CallContext, CallIdentity},
    cli::demo::upstream::{
        Behaviour, Dialect, Form, KeyDigest, KeySeen, Place, Serving, StandIn, StandInModel,
        StandInSettings,
    },
    models::{
        Completion, CompletionRequest, ModelError, ModelErrorKind, ModelProvider,
        ModelProviderSettings, ModelsSettings, Protocol, ProviderList,
        providers::{Keys, http::HttpProvider},
        resolve,
    },
    secrets::{
        Broker, Consumer, KeyState, Reference, SecretName, SecretsSettings, Unrecorded,
        memory::Pool,
        providers::{Fetch, Found, Lookup, Presence, ProviderError, SecretProvider},
    },
};

const KEY: &str = "sk-test-0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3";
const REPLY: &str = "Keys are fetched just in time and are gone afterwards.";

/// A secret provider that has one key for every name, and counts how often it was asked.
struct OneKey {
    value: Option<&'static str>,
    fetches: Arc<AtomicUsize>,
}

impl SecretProvider for OneKey {
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
            self.fetches.fetch_add(1, Ordering::SeqCst);
            let Some(value) = self.value else {
                return Ok(Lookup::Miss);
            };
            let value = Arc::new(fetch.pool.store(value.as_bytes()).await.unwrap());
            Ok(Lookup::Found(Found {
                value,
                version: Some("7".into()),
                created_at: None,
                expires_at: None,
            }))
        })
    }
}

/// A stand-in and a provider that leads to it.
struct Pair {
    serving: Serving,
    provider: HttpProvider,
    fetches: Arc<AtomicUsize>,
}

impl Pair {
    /// Of OpenAI's dialect on both sides, with settings changed by `change`.
    async fn with(change: impl FnOnce(&mut ModelProviderSettings)) -> Self {
        Self::of(Dialect::OpenAi, Some(KEY), change).await
    }

    async fn of(
        dialect: Dialect,
        key: Option<&'static str>,
        change: impl FnOnce(&mut ModelProviderSettings),
    ) -> Self {
        let serving = StandIn::new(StandInSettings {
            dialect,
            key: (dialect == Dialect::OpenAi).then(|| KeyDigest::of(KEY.as_bytes())),
            models: vec![
                StandInModel {
                    name: "gpt-5".to_owned(),
                    fixed_temperature: true,
                },
                StandInModel::named("gpt-4.1"),
                StandInModel::named("qwen3:32b"),
            ],
            reply: REPLY.to_owned(),
        });
        let serving = serving.serve().await.unwrap();
        let (provider, fetches) = provider(&serving.base_url(), key, change);
        Self {
            serving,
            provider,
            fetches,
        }
    }

    fn stand_in(&self) -> &StandIn {
        &self.serving.stand_in
    }

    async fn ask(&self, request: CompletionRequest) -> Result<Completion, ModelError> {
        self.provider.complete(&request, &context()).await
    }

    /// Scripts `behaviour` and asks.
    async fn meet(&self, behaviour: Behaviour) -> Result<Completion, ModelError> {
        self.stand_in().script(behaviour);
        self.ask(question()).await
    }
}

fn provider(
    base_url: &str,
    key: Option<&'static str>,
    change: impl FnOnce(&mut ModelProviderSettings),
) -> (HttpProvider, Arc<AtomicUsize>) {
    let mut settings = ModelProviderSettings {
        preset: Some("openai".to_owned()),
        protocol: Protocol::named("openai"),
        base_url: Some(base_url.to_owned()),
        secret: Some("openai".parse().unwrap()),
        ..Default::default()
    };
    change(&mut settings);
    let settings = ModelsSettings {
        providers: ProviderList(vec![("openai".to_owned(), settings)]),
        ..Default::default()
    };
    let config = resolve(&settings, |_| KeyState::None).unwrap().remove(0);
    let fetches = Arc::new(AtomicUsize::new(0));
    let one_key = OneKey {
        value: key,
        fetches: Arc::clone(&fetches),
    };
    let broker = Broker::new(
        &SecretsSettings::default(),
        vec![Arc::new(one_key)],
        Pool::reserve(),
        Arc::new(Unrecorded),
    )
    .unwrap();
    let consumer = Consumer::ModelProvider(config.name.clone());
    let home = Some(config.base_url.clone());
    let bind = |name| Arc::new(broker).bind(name, consumer, home).unwrap();
    let keys = Keys {
        key: config.secret.as_ref().map(bind),
        client_key: None,
    };
    (
        HttpProvider::new(config, Box::new(ChatCompletions), keys),
        fetches,
    )
}

fn context() -> CallContext {
    CallContext::new(CallIdentity {
        request_id: "0".repeat(32),
        tool: "chat".to_owned(),
        principal: "local".to_owned(),
    })
}

fn question() -> CompletionRequest {
    CompletionRequest {
        model: "gpt-4.1".to_owned(),
        prompt: "What of keys?".to_owned(),
        ..CompletionRequest::default()
    }
}

/// Everything that anybody may come to see of an error.
fn told(error: &ModelError) -> String {
    format!("{error}\n{}\n{error:?}", error.operator())
}

fn assert_without_key(text: &str) {
    for form in Form::ALL {
        let written = form.write(KEY);
        assert!(!text.contains(&written), "{form:?} in {text}");
    }
    for piece in KEY.as_bytes().windows(16) {
        let piece = std::str::from_utf8(piece).unwrap();
        assert!(!text.contains(piece), "{piece} in {text}");
    }
}

#[tokio::test]
async fn the_upstream_gets_the_key_and_the_question_and_nothing_else() {
    let pair = Pair::with(|_| {}).await;
    let completion = pair.ask(question()).await.unwrap();
    assert_eq!(completion.answer, REPLY);
    assert_eq!(
        (completion.model.as_str(), completion.provider.as_str()),
        ("gpt-4.1", "openai")
    );
    assert_eq!(completion.finish_reason, "stop");
    let usage = completion.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (3, 10));
    let seen = pair.stand_in().seen().remove(0);
    assert_eq!(seen.key, KeySeen::Right);
    assert_eq!(seen.path, "/v1/chat/completions");
    let body = json!({
        "model": "gpt-4.1",
        "messages": [{ "role": "user", "content": "What of keys?" }],
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    assert_eq!(seen.body, body);
    assert_without_key(&format!("{:?}", seen.headers));
}

#[tokio::test]
async fn what_is_given_is_sent_in_the_dialect_of_each_server() {
    let request = CompletionRequest {
        model: "qwen3:32b".to_owned(),
        system_prompt: Some("Be brief.".to_owned()),
        temperature: Some(0.5),
        max_output_tokens: Some(2),
        ..question()
    };
    for (dialect, preset, field) in [
        (Dialect::OpenAi, Some("openai"), "max_completion_tokens"),
        (Dialect::Ollama, None, "max_tokens"),
    ] {
        let pair = Pair::of(dialect, Some(KEY), |settings| {
            settings.preset = preset.map(str::to_owned);
            settings.models = vec![crate::models::ModelEntry::named("qwen3:32b")];
            if preset.is_none() {
                settings.secret = None;
                settings.base_url = settings.base_url.take().map(|url| url + "/");
            }
        });
        let pair = pair.await;
        let completion = pair.ask(request.clone()).await.unwrap();
        assert_eq!(
            (completion.answer.as_str(), completion.finish_reason),
            ("Keys are", "length")
        );
        let seen = pair.stand_in().seen().remove(0);
        assert_eq!(seen.body[field], 2);
        assert_eq!(seen.body["temperature"], 0.5);
        assert_eq!(
            seen.body["messages"][0],
            json!({ "role": "system", "content": "Be brief." })
        );
        let expected = if preset.is_some() {
            KeySeen::Right
        } else {
            KeySeen::Absent
        };
        assert_eq!(seen.key, expected);
    }
}

#[tokio::test]
async fn the_wrong_dialect_is_an_argument_error_and_not_silence() {
    use crate::models::MaxTokensField::{MaxCompletionTokens, MaxTokens};
    for (dialect, wrong) in [
        (Dialect::OpenAi, MaxTokens),
        (Dialect::Ollama, MaxCompletionTokens),
    ] {
        let pair = Pair::of(dialect, Some(KEY), |settings| {
            settings.max_tokens_field = Some(wrong)
        })
        .await;
        let asked = CompletionRequest {
            max_output_tokens: Some(5),
            ..question()
        };
        let error = pair.ask(asked).await.unwrap_err();
        assert!(
            matches!(
                error.kind,
                ModelErrorKind::InvalidArgument {
                    argument: Some("max_output_tokens"),
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_a_model_does_not_take_is_refused_before_a_key_is_fetched() {
    let pair = Pair::with(|_| {}).await;
    let model = "gpt-5".to_owned();
    for wrong in [
        CompletionRequest {
            model: model.clone(),
            temperature: Some(1.0),
            ..question()
        },
        CompletionRequest {
            temperature: Some(2.5),
            ..question()
        },
        CompletionRequest {
            temperature: Some(f64::NAN),
            ..question()
        },
        CompletionRequest {
            max_output_tokens: Some(0),
            ..question()
        },
        CompletionRequest {
            model,
            max_output_tokens: Some(128_001),
            ..question()
        },
    ] {
        let error = pair.ask(wrong).await.unwrap_err();
        assert_eq!(error.code(), "invalid_argument", "{error}");
    }
    assert_eq!(pair.fetches.load(Ordering::SeqCst), 0);
    assert_eq!(pair.stand_in().counts().arrived, 0);
}

#[tokio::test]
async fn a_plain_json_answer_to_a_streamed_request_is_accepted() {
    let pair = Pair::with(|_| {}).await;
    let completion = pair.meet(Behaviour::PlainJson).await.unwrap();
    assert_eq!(completion.answer, REPLY);
    assert_eq!(completion.usage.unwrap().output_tokens, 10);
}

#[tokio::test]
async fn a_refused_key_is_said_to_be_refused_and_by_its_version_only() {
    const WRONG: &str = "sk-wrong-9876543210abcdefghijklmnopqrstuvwxyz";
    let pair = Pair::of(Dialect::OpenAi, Some(WRONG), |_| {}).await;
    let error = pair.ask(question()).await.unwrap_err();
    assert_eq!((error.code(), error.about.status), ("bad_key", Some(401)));
    assert!(
        error.operator().contains("`openai` of env, version 7"),
        "{}",
        error.operator()
    );
    assert!(!told(&error).contains("sk-wrong"), "{}", told(&error));
}

#[tokio::test]
async fn a_key_that_cannot_be_had_or_sent_never_becomes_a_request() {
    let pair = Pair::of(Dialect::OpenAi, None, |_| {}).await;
    assert_eq!(
        pair.ask(question()).await.unwrap_err().code(),
        "secret_unavailable"
    );
    assert_eq!(pair.stand_in().counts().arrived, 0);
    for malformed in ["two words", "line\n", "nul\0", "ключ"] {
        let pair = Pair::of(Dialect::OpenAi, Some(malformed), |_| {}).await;
        let error = pair.ask(question()).await.unwrap_err();
        assert_eq!(error.code(), "key_malformed");
        assert!(!told(&error).contains(malformed));
        assert_eq!(pair.stand_in().counts().arrived, 0);
    }
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let pair = Pair::with(|_| {}).await;
    let refuse = |status, code, retry_after| Behaviour::Refuse {
        status,
        code,
        retry_after,
    };
    let limited = pair
        .meet(refuse(429, "rate_limit_exceeded", Some(7)))
        .await
        .unwrap_err();
    assert_eq!(limited.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(
        limited.about.upstream_request_id.as_deref(),
        Some("req_00000000000000000000000000000001")
    );
    for (behaviour, code) in [
        (refuse(429, "insufficient_quota", None), "quota_exceeded"),
        (
            refuse(400, "context_length_exceeded", None),
            "context_too_long",
        ),
        (refuse(503, "overloaded", None), "upstream_down"),
        (
            Behaviour::RefuseMidway {
                code: "server_error",
            },
            "upstream_down",
        ),
        (
            Behaviour::RefuseMidway {
                code: "rate_limit_exceeded",
            },
            "rate_limited",
        ),
        (Behaviour::Html, "malformed_answer"),
    ] {
        let error = pair.meet(behaviour).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_without_key(&told(&error));
    }
    let unknown = pair.ask(CompletionRequest {
        model: "gpt-6-luna".to_owned(),
        ..question()
    });
    assert_eq!(unknown.await.unwrap_err().code(), "no_such_model");
}

//! Tokens that are counted here, because the vendor did not count or was not to be asked.

use super::*;
use crate::models::{ModelEntry, Price};

/// A model of these names, with room for so many tokens.
fn with_window(settings: &mut ModelProviderSettings, names: &[&str], context_window: u64) {
    settings.preset = None;
    settings.models = names
        .iter()
        .map(|name| ModelEntry {
            context_window: Some(context_window),
            price: Some(Price {
                input: 1e6,
                cached_input: None,
                cache_write: None,
                output: 1e6,
                above: None,
                as_of: jiff::civil::date(2026, 11, 1),
            }),
            ..ModelEntry::named(*name)
        })
        .collect();
}

#[tokio::test]
#[cfg(feature = "tiktoken")]
async fn an_answer_without_a_count_is_counted_and_its_cost_is_that_of_the_count() {
    let pair = Pair::with(|settings| {
        with_window(settings, &["gpt-4.1", "qwen3:32b"], 1000);
        settings.max_tokens_field = Some(crate::models::MaxTokensField::MaxCompletionTokens);
        settings.include_usage = Some(false);
    })
    .await;
    // By OpenAI's encoding, and by the letters where another's is not known.
    for (model, input, output) in [("gpt-4.1", 4, 11), ("qwen3:32b", 4, 14)] {
        let request = CompletionRequest {
            model: model.to_owned(),
            ..question()
        };
        let completion = pair.ask(request).await.unwrap();
        let usage = completion.usage.unwrap();
        assert!(usage.is_estimate);
        assert_eq!(
            (usage.input_tokens, usage.output_tokens),
            (input, output),
            "{model}"
        );
        assert_eq!(completion.cost.unwrap().0, (input + output) * 1_000_000);
        let told = serde_json::to_value(usage).unwrap();
        assert_eq!(told["estimated"], true);
    }
}

#[tokio::test]
#[cfg(feature = "tiktoken")]
async fn a_prompt_that_cannot_fit_is_refused_before_a_key_is_fetched() {
    let pair = Pair::with(|settings| with_window(settings, &["gpt-4.1", "qwen3:32b"], 100)).await;
    let asked = |model: &str, prompt: String| CompletionRequest {
        model: model.to_owned(),
        prompt,
        ..question()
    };
    let words = |count: usize| " secret".repeat(count);
    let error = pair.ask(asked("gpt-4.1", words(101))).await.unwrap_err();
    assert_eq!(error.code(), "context_too_long");
    assert!(
        error.to_string().contains("(101 tokens, and 100 fit)"),
        "{error}"
    );
    assert_eq!(pair.fetches.load(Ordering::SeqCst), 0);
    assert_eq!(pair.stand_in().counts().arrived, 0);
    // What fits, and what only its vendor can count, is sent.
    for request in [
        asked("gpt-4.1", words(100)),
        asked("qwen3:32b", words(1000)),
    ] {
        pair.ask(request).await.unwrap();
    }
    assert_eq!(pair.stand_in().counts().arrived, 2);
}

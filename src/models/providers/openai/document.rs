//! What is read of a chunk or of a whole completion: they differ in the name of the message.
//!
//! Apart because of what it must never do: build anything that is larger than the text it is read
//! from. Whatever is not understood is passed over by the parser, lists are taken item by item.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, SeqAccess, Visitor},
};

use crate::models::{
    Usage,
    providers::http::{Few, Lenient},
};

/// A chunk, or a completion.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) choices: Option<Few<Choice>>,
    #[serde(default)]
    pub(super) usage: Lenient<ToldUsage>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

impl Document {
    pub(super) fn is_error(&self) -> bool {
        self.error.is_some()
    }
}

/// Whether it is an error, of a document that is otherwise not understood.
#[derive(Deserialize)]
pub(super) struct Head {
    #[serde(default)]
    error: Option<IgnoredAny>,
}

impl Head {
    pub(super) fn is_error(&self) -> bool {
        self.error.is_some()
    }
}

/// One of the answers.
#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: u64,
    #[serde(default, alias = "message")]
    pub(super) delta: Option<Message>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

/// The visible text. Reasoning, tool calls and whatever else is ignored.
#[derive(Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) content: Option<Content>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
}

/// A text, or the texts among several parts: Mistral's reasoning models send these.
pub(super) struct Content(pub(super) String);

#[derive(Deserialize)]
struct Part {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

/// What the server counted.
#[derive(Deserialize)]
pub(super) struct ToldUsage {
    #[serde(default)]
    prompt_tokens: Lenient<u64>,
    #[serde(default)]
    completion_tokens: Lenient<u64>,
    #[serde(default)]
    total_tokens: Lenient<u64>,
    #[serde(default)]
    prompt_tokens_details: Lenient<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Lenient<CompletionDetails>,
    /// DeepSeek's (api-docs.deepseek.com/guides/kv_cache).
    #[serde(default)]
    prompt_cache_hit_tokens: Lenient<u64>,
}

#[derive(Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Lenient<u64>,
    #[serde(default)]
    cache_write_tokens: Lenient<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Lenient<u64>,
}

impl ToldUsage {
    /// The numbers, if the two that matter are among them.
    pub(super) fn known(&self) -> Option<Usage> {
        let prompt = self.prompt_tokens_details.0.as_ref();
        let completion = self.completion_tokens_details.0.as_ref();
        let cached = prompt.and_then(|details| details.cached_tokens.0);
        let (input, answer) = (self.prompt_tokens.0?, self.completion_tokens.0?);
        let reasoning_tokens = completion.and_then(|details| details.reasoning_tokens.0);
        // xAI counts thinking apart from the answer, and both in the total.
        let apart = reasoning_tokens.filter(|reasoning| {
            let sum = input.checked_add(answer);
            let sum = sum.and_then(|sum| sum.checked_add(*reasoning));
            *reasoning > 0 && sum.is_some() && self.total_tokens.0 == sum
        });
        Some(Usage {
            input_tokens: input,
            output_tokens: answer + apart.unwrap_or(0),
            cached_input_tokens: cached.or(self.prompt_cache_hit_tokens.0),
            cache_write_tokens: prompt.and_then(|details| details.cache_write_tokens.0),
            reasoning_tokens,
            is_estimate: false,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or parts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
        let mut all = String::new();
        while let Some(Part { kind, text }) = parts.next_element()? {
            if kind.as_deref() == Some("text") {
                all.push_str(&text.unwrap_or_default());
            }
        }
        Ok(Content(all))
    }
}

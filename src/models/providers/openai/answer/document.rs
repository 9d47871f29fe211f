//! What is read of a chunk or of a whole completion: they differ in the name of the message.
//!
//! Apart because of what it must never do: build anything that is larger than the text it is read
//! from. Whatever is not understood is passed over by the parser, lists are taken item by item.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::models::Usage;

/// One answer is asked for; some servers send a few.
const MAX_CHOICES: usize = 64;

/// A chunk, or a completion.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) choices: Option<Choices>,
    #[serde(default)]
    pub(super) usage: Option<ToldUsage>,
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

/// The choices, not too many.
pub(super) struct Choices(pub(super) Vec<Choice>);

/// One of them.
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
    prompt_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
}

impl ToldUsage {
    /// Both numbers, if both are.
    pub(super) fn known(&self) -> Option<Usage> {
        Some(Usage {
            input_tokens: self.prompt_tokens.0?,
            output_tokens: self.completion_tokens.0?,
        })
    }
}

/// A number, or whatever else stands there.
#[derive(Default)]
struct Count(Option<u64>);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ChoicesVisitor)
    }
}

struct ChoicesVisitor;

impl<'de> Visitor<'de> for ChoicesVisitor {
    type Value = Choices;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a few choices")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Choices, A::Error> {
        let mut choices = Vec::new();
        while let Some(choice) = items.next_element()? {
            if choices.len() == MAX_CHOICES {
                return Err(A::Error::custom("too many choices"));
            }
            choices.push(choice);
        }
        Ok(Choices(choices))
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

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Count, E> {
        Ok(Count(Some(number)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Count, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Count, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }
}

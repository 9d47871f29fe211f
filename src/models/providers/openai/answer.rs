//! Puts an answer together from what the server sends, be it events or one JSON document.
//!
//! It knows no network. Text passes the key filter before it is kept; of all else only what we
//! understand is kept, mapped to our own words. An answer is whole when the server said so, by
//! `[DONE]` or a finish reason; anything less is an error, never a short answer.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::refusal;
use crate::{
    models::{ModelErrorKind, Usage, key_filter::KeyFilter},
    secrets::Secret,
};

/// An answer that is being received.
pub(super) struct Answer {
    filter: KeyFilter,
    text: String,
    max_bytes: usize,
    received_bytes: usize,
    received_characters: u64,
    finish_reason: Option<&'static str>,
    usage: Option<Usage>,
    done: bool,
    begun: bool,
}

/// An answer that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) finish_reason: &'static str,
    pub(super) usage: Option<Usage>,
}

/// A chunk of a stream, or a whole completion: they differ in the name of the message.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(default, alias = "message")]
    delta: Option<Message>,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// The visible text. Reasoning, tool calls and whatever else is ignored.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    refusal: Option<String>,
}

impl Answer {
    pub(super) fn new(key: Option<Arc<Secret>>, max_bytes: usize) -> Self {
        Self {
            filter: KeyFilter::new(key),
            text: String::new(),
            max_bytes,
            received_bytes: 0,
            received_characters: 0,
            finish_reason: None,
            usage: None,
            done: false,
            begun: false,
        }
    }

    /// Characters of text received so far.
    pub(super) fn characters(&self) -> u64 {
        self.received_characters
    }

    /// Whether nothing more is to be expected.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Takes one event of a stream.
    pub(super) fn event(&mut self, name: &str, data: &str) -> Result<(), ModelErrorKind> {
        if data.trim() == "[DONE]" {
            self.done = true;
            return if self.begun {
                Ok(())
            } else {
                Err(ModelErrorKind::Malformed)
            };
        }
        if name == "error" {
            let error = serde_json::from_str(data).unwrap_or_default();
            return Err(refusal::kind_in_stream(&error));
        }
        self.document(data.as_bytes())
    }

    /// Takes one JSON document: a chunk, or the whole answer.
    pub(super) fn document(&mut self, json: &[u8]) -> Result<(), ModelErrorKind> {
        let document: Value =
            serde_json::from_slice(json).map_err(|_| ModelErrorKind::Malformed)?;
        if document.get("error").is_some_and(|error| !error.is_null()) {
            return Err(refusal::kind_in_stream(&document));
        }
        let document = Document::deserialize(document).map_err(|_| ModelErrorKind::Malformed)?;
        debug_assert!(document.error.is_none_or(|error| error.is_null()));
        if let Some(usage) = document.usage.as_ref().and_then(usage) {
            self.usage = Some(usage);
        }
        let Some(choices) = document.choices else {
            // A chunk may carry usage alone; a document without either is of another protocol.
            return if document.usage.is_some() {
                Ok(())
            } else {
                Err(ModelErrorKind::Malformed)
            };
        };
        // One answer was asked for.
        for choice in choices.into_iter().filter(|choice| choice.index == 0) {
            self.begun = true;
            if let Some(message) = &choice.delta {
                self.message(message)?;
            }
            match choice.finish_reason.as_deref() {
                None | Some("") => {}
                Some("error") => {
                    return Err(ModelErrorKind::UpstreamDown {
                        retry_after: None,
                        cause: None,
                    });
                }
                Some(reason) => self.finish_reason = Some(known_reason(reason)),
            }
        }
        Ok(())
    }

    /// Ends the answer: the server closed it in an orderly way.
    pub(super) fn finish(mut self) -> Result<Whole, ModelErrorKind> {
        if !self.begun || (self.finish_reason.is_none() && !self.done) {
            return Err(ModelErrorKind::Incomplete);
        }
        self.filter.finish(&mut self.text);
        Ok(Whole {
            text: self.text,
            finish_reason: self.finish_reason.unwrap_or("unknown"),
            usage: self.usage,
        })
    }

    /// Whether `text` holds a piece of this call's key.
    pub(super) fn holds_key(&self, text: &str) -> bool {
        self.filter.would_redact(text)
    }

    fn message(&mut self, message: &Message) -> Result<(), ModelErrorKind> {
        match &message.content {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => self.take(text)?,
            // Mistral's reasoning models send parts, of which some are text.
            Some(Value::Array(parts)) => {
                for part in parts
                    .iter()
                    .filter(|part| part.get("type") == Some(&"text".into()))
                {
                    self.take(part.get("text").and_then(Value::as_str).unwrap_or_default())?;
                }
            }
            Some(_) => return Err(ModelErrorKind::Malformed),
        }
        message
            .refusal
            .as_deref()
            .map_or(Ok(()), |refusal| self.take(refusal))
    }

    fn take(&mut self, text: &str) -> Result<(), ModelErrorKind> {
        self.received_bytes += text.len();
        if self.received_bytes > self.max_bytes {
            return Err(ModelErrorKind::AnswerTooLarge {
                limit: self.max_bytes,
            });
        }
        self.received_characters += text.chars().count() as u64;
        self.filter.push(text, &mut self.text);
        Ok(())
    }
}

fn usage(told: &Value) -> Option<Usage> {
    Some(Usage {
        input_tokens: told.get("prompt_tokens")?.as_u64()?,
        output_tokens: told.get("completion_tokens")?.as_u64()?,
    })
}

fn known_reason(told: &str) -> &'static str {
    match told.to_ascii_lowercase().as_str() {
        "stop" | "end_turn" | "eos" => "stop",
        "length" | "max_tokens" | "model_length" => "length",
        "content_filter" | "safety" => "content_filter",
        "tool_calls" | "function_call" => "tool_calls",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer::new(None, 1000)
    }

    fn delta(text: &str) -> String {
        format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#)
    }

    const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

    #[test]
    fn deltas_are_joined_and_the_last_words_kept() {
        let mut answer = answer();
        for data in [
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null}}],"usage":null}"#,
            &delta("Hel"),
            r#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm","content":""}}]}"#,
            &delta("lö"),
            r#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"!"},{"type":"thinking"}]}}]}"#,
            STOP,
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"x":[]}}"#,
            "[DONE]",
        ] {
            answer.event("message", data).unwrap();
        }
        assert_eq!(answer.characters(), 6);
        assert!(answer.is_done());
        let usage = Some(Usage {
            input_tokens: 3,
            output_tokens: 2,
        });
        let whole = answer.finish().unwrap();
        assert_eq!(
            whole,
            Whole {
                text: "Hellö!".into(),
                finish_reason: "stop",
                usage
            }
        );
    }

    #[test]
    fn an_answer_that_was_not_said_to_be_whole_is_an_error() {
        let mut cut = answer();
        cut.event("message", &delta("Hel")).unwrap();
        assert!(matches!(cut.finish(), Err(ModelErrorKind::Incomplete)));
        assert!(matches!(answer().finish(), Err(ModelErrorKind::Incomplete)));
        assert!(answer().event("message", "[DONE]").is_err());
    }

    #[test]
    fn errors_inside_a_stream_are_errors() {
        let limited = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
        let kind = answer().event("message", limited).unwrap_err();
        assert!(matches!(kind, ModelErrorKind::RateLimited { .. }));
        let kind = answer().event("error", "overloaded").unwrap_err();
        assert!(matches!(kind, ModelErrorKind::UpstreamDown { .. }));
        let failed = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#;
        assert!(answer().event("message", failed).is_err());
    }

    #[test]
    fn reasons_are_mapped_to_ours_and_never_passed_on() {
        for (told, ours) in [
            ("stop", "stop"),
            ("MAX_TOKENS", "length"),
            ("content_filter", "content_filter"),
            ("function_call", "tool_calls"),
            ("sk-whatever", "unknown"),
        ] {
            assert_eq!(known_reason(told), ours);
        }
    }

    #[test]
    fn what_is_not_the_protocol_is_malformed_and_what_is_too_long_is_refused() {
        for wrong in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"choices":5}"#,
            r#"{"choices":[{"delta":{"content":5}}]}"#,
        ] {
            let kind = answer().event("message", wrong).unwrap_err();
            assert!(matches!(kind, ModelErrorKind::Malformed), "{wrong}");
        }
        let kind = answer()
            .event("message", &delta(&"x".repeat(1001)))
            .unwrap_err();
        assert!(matches!(
            kind,
            ModelErrorKind::AnswerTooLarge { limit: 1000 }
        ));
    }
}

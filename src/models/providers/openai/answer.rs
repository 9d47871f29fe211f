//! Puts an answer together from what the server sends, be it events or one JSON document.
//!
//! It knows no network. Text passes the key filter before it is kept; of all else only what we
//! understand is kept, mapped to our own words. An answer is whole when the server said so, by
//! `[DONE]` or a finish reason; anything less is an error, never a short answer.

mod document;

use serde_json::Value;
use tokio::task::yield_now;

use self::document::{Document, Head, Message};
use super::refusal;
use crate::{
    models::{ModelErrorKind, Usage},
    secrets::{Secret, live::Filter},
};

/// The largest error that is read for its kind: a tree of values is many times its text.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// How much text is filtered before others may run.
const SLICE_BYTES: usize = 8 * 1024;

/// An answer that is being received.
pub(super) struct Answer {
    filter: Filter,
    text: String,
    max_bytes: usize,
    received_bytes: usize,
    received_characters: u64,
    finish_reason: Option<&'static str>,
    usage: Option<Usage>,
    done: bool,
    begun: bool,
    /// Bytes of text filtered since others could run.
    unyielded: usize,
}

/// An answer that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) finish_reason: &'static str,
    pub(super) usage: Option<Usage>,
}

impl Answer {
    pub(super) fn new(key: Option<&Secret>, max_bytes: usize) -> Self {
        Self {
            filter: key.map_or_else(Filter::default, |key| key.expose(Filter::of_key)),
            text: String::new(),
            max_bytes,
            received_bytes: 0,
            received_characters: 0,
            finish_reason: None,
            usage: None,
            done: false,
            begun: false,
            unyielded: 0,
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
    pub(super) async fn event(&mut self, name: &str, data: &str) -> Result<(), ModelErrorKind> {
        if data.trim() == "[DONE]" {
            self.done = true;
            return if self.begun {
                Ok(())
            } else {
                Err(ModelErrorKind::Malformed)
            };
        }
        if name == "error" {
            return Err(error(data.as_bytes()));
        }
        self.document(data.as_bytes()).await
    }

    /// Takes one JSON document: a chunk, or the whole answer.
    pub(super) async fn document(&mut self, json: &[u8]) -> Result<(), ModelErrorKind> {
        let document = match serde_json::from_slice::<Document>(json) {
            Ok(document) if !document.is_error() => document,
            Ok(_) => return Err(error(json)),
            // An error may look like anything.
            Err(_) => {
                let head = serde_json::from_slice::<Head>(json);
                return Err(if head.is_ok_and(|head| head.is_error()) {
                    error(json)
                } else {
                    ModelErrorKind::Malformed
                });
            }
        };
        let usage = document.usage;
        if let Some(usage) = usage.as_ref().and_then(document::ToldUsage::known) {
            self.usage = Some(usage);
        }
        let Some(choices) = document.choices else {
            // A chunk may carry usage alone; a document without either is of another protocol.
            return if usage.is_some() {
                Ok(())
            } else {
                Err(ModelErrorKind::Malformed)
            };
        };
        // One answer was asked for.
        for choice in choices.0.into_iter().filter(|choice| choice.index == 0) {
            self.begun = true;
            if let Some(message) = &choice.delta {
                self.message(message).await?;
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
        self.filter.holds(text)
    }

    async fn message(&mut self, message: &Message) -> Result<(), ModelErrorKind> {
        if let Some(content) = &message.content {
            self.take(&content.0).await?;
        }
        if let Some(refusal) = &message.refusal {
            self.take(refusal).await?;
        }
        Ok(())
    }

    async fn take(&mut self, mut text: &str) -> Result<(), ModelErrorKind> {
        self.received_bytes += text.len();
        if self.received_bytes > self.max_bytes {
            return Err(ModelErrorKind::AnswerTooLarge {
                limit: self.max_bytes,
            });
        }
        while !text.is_empty() {
            let (slice, rest) = text.split_at(text.floor_char_boundary(SLICE_BYTES));
            self.received_characters += slice.chars().count() as u64;
            self.filter.push(slice, &mut self.text);
            text = rest;
            self.unyielded += slice.len();
            // A slice that ends with a character may be three bytes short.
            if self.unyielded > SLICE_BYTES - 4 {
                self.unyielded = 0;
                yield_now().await;
            }
        }
        Ok(())
    }
}

/// The kind of an error inside an answer.
fn error(json: &[u8]) -> ModelErrorKind {
    let told = json.len() <= MAX_ERROR_BYTES;
    let body = told.then(|| serde_json::from_slice(json).unwrap_or_default());
    refusal::kind_in_stream(&body.unwrap_or(Value::Null))
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
mod tests;

//! Reads an answer of chat/completions, be it chunks or one document.
//!
//! Only what we understand is told on, in our own words.

use super::{document, document::Message, refusal};
use crate::models::{
    ModelErrorKind,
    providers::http::{Reader, Told, error_in_answer},
};

/// Reads one answer.
#[derive(Default)]
pub(in crate::models::providers) struct ChatReader;

impl Reader for ChatReader {
    fn event(
        &mut self,
        name: &str,
        data: &str,
        told: &mut Vec<Told>,
    ) -> Result<(), ModelErrorKind> {
        if data.trim() == "[DONE]" {
            told.push(Told::Done);
            return Ok(());
        }
        if name == "error" {
            return Err(error(data.as_bytes()));
        }
        self.document(data.as_bytes(), told)
    }

    fn document(&mut self, json: &[u8], told: &mut Vec<Told>) -> Result<(), ModelErrorKind> {
        let document = match serde_json::from_slice::<document::Document>(json) {
            Ok(document) if !document.is_error() => document,
            Ok(_) => return Err(error(json)),
            // An error may look like anything.
            Err(_) => {
                let head = serde_json::from_slice::<document::Head>(json);
                return Err(if head.is_ok_and(|head| head.is_error()) {
                    error(json)
                } else {
                    ModelErrorKind::Malformed
                });
            }
        };
        let usage = document.usage.0;
        if let Some(usage) = usage.as_ref().and_then(document::ToldUsage::known) {
            told.push(Told::Usage(usage));
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
            told.push(Told::Begun);
            if let Some(message) = choice.delta {
                message_text(message, told);
            }
            match choice.finish_reason.as_deref() {
                None | Some("") => {}
                Some("error" | "insufficient_system_resource") => {
                    return Err(ModelErrorKind::UpstreamDown {
                        retry_after: None,
                        cause: None,
                    });
                }
                Some(reason) => told.push(Told::Finish(known_reason(reason))),
            }
        }
        Ok(())
    }
}

fn message_text(message: Message, told: &mut Vec<Told>) {
    let content = message.content.map(|content| content.0);
    let texts = content.into_iter().chain(message.refusal);
    told.extend(texts.filter(|text| !text.is_empty()).map(Told::Text));
}

fn error(json: &[u8]) -> ModelErrorKind {
    refusal::kind_in_answer(&error_in_answer(json))
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

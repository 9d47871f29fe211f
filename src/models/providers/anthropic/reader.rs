//! Reads the events of a message, or a message as one document.
//!
//! An answer is whole with `message_stop` and with nothing less. Thinking is not told on. Events,
//! blocks and deltas of kinds that we do not know are passed over, as the vendor's rules for
//! versions want it.

use serde::Deserialize;

use super::refusal;
use crate::models::{
    ModelErrorKind, Usage,
    providers::http::{Few, Lenient, Reader, Told, error_in_answer},
};

#[derive(Default)]
pub(in crate::models::providers) struct MessageReader {
    counted: Counted,
    finish_reason: Option<&'static str>,
}

/// What was counted so far: the parts come at the beginning and, cumulated, at the end.
#[derive(Default)]
struct Counted {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: Lenient<Message>,
    #[serde(default)]
    delta: Lenient<Delta>,
    #[serde(default)]
    content_block: Lenient<Block>,
    #[serde(default)]
    usage: Lenient<ToldUsage>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    usage: Lenient<ToldUsage>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    text: Lenient<String>,
    #[serde(default)]
    stop_reason: Lenient<String>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    text: Lenient<String>,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    content: Few<Block>,
    #[serde(default)]
    stop_reason: Lenient<String>,
    #[serde(default)]
    usage: Lenient<ToldUsage>,
}

#[derive(Deserialize)]
struct ToldUsage {
    #[serde(default)]
    input_tokens: Lenient<u64>,
    #[serde(default)]
    cache_read_input_tokens: Lenient<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Lenient<u64>,
    #[serde(default)]
    output_tokens: Lenient<u64>,
    #[serde(default)]
    output_tokens_details: Lenient<OutputDetails>,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Lenient<u64>,
}

impl Counted {
    fn add(&mut self, told: Option<ToldUsage>) {
        let Some(told) = told else {
            return;
        };
        let details = told.output_tokens_details.0;
        for (known, told) in [
            (&mut self.input, told.input_tokens.0),
            (&mut self.cache_read, told.cache_read_input_tokens.0),
            (&mut self.cache_write, told.cache_creation_input_tokens.0),
            (&mut self.output, told.output_tokens.0),
            (
                &mut self.thinking,
                details.and_then(|details| details.thinking_tokens.0),
            ),
        ] {
            *known = told.or(*known);
        }
    }

    /// The vendor leaves out of its input what was cached; we do not.
    fn known(&self) -> Option<Usage> {
        let cached = self.cache_read.unwrap_or(0);
        let written = self.cache_write.unwrap_or(0);
        Some(Usage {
            input_tokens: self.input?.saturating_add(cached).saturating_add(written),
            output_tokens: self.output?,
            cached_input_tokens: self.cache_read,
            cache_write_tokens: self.cache_write,
            reasoning_tokens: self.thinking,
            is_estimate: false,
        })
    }
}

impl Reader for MessageReader {
    fn event(
        &mut self,
        name: &str,
        data: &str,
        told: &mut Vec<Told>,
    ) -> Result<(), ModelErrorKind> {
        let Ok(event) = serde_json::from_str::<Event>(data) else {
            return Err(if name == "error" {
                error(data.as_bytes())
            } else {
                ModelErrorKind::Malformed
            });
        };
        match event.kind.as_str() {
            "message_start" => {
                told.push(Told::Begun);
                let message = event.message.0;
                self.counted
                    .add(message.and_then(|message| message.usage.0));
            }
            "content_block_start" => {
                let block = event.content_block.0.filter(|block| block.kind == "text");
                told.extend(block.and_then(|block| block.text.0).map(Told::Text));
            }
            "content_block_delta" => {
                let delta = event.delta.0.ok_or(ModelErrorKind::Malformed)?;
                if delta.kind == "text_delta" {
                    told.push(Told::Text(delta.text.0.ok_or(ModelErrorKind::Malformed)?));
                }
            }
            "message_delta" => {
                self.counted.add(event.usage.0);
                let reason = event.delta.0.and_then(|delta| delta.stop_reason.0);
                self.finish_reason = reason.as_deref().map(known_reason).or(self.finish_reason);
            }
            "message_stop" => {
                told.extend(self.counted.known().map(Told::Usage));
                told.push(Told::Finish(self.finish_reason.unwrap_or("unknown")));
                told.push(Told::Done);
            }
            "error" => return Err(error(data.as_bytes())),
            "" => return Err(ModelErrorKind::Malformed),
            _ => {}
        }
        Ok(())
    }

    fn document(&mut self, json: &[u8], told: &mut Vec<Told>) -> Result<(), ModelErrorKind> {
        let message = serde_json::from_slice::<Whole>(json);
        let message = message.map_err(|_| ModelErrorKind::Malformed)?;
        match message.kind.as_str() {
            "message" => {}
            "error" => return Err(error(json)),
            _ => return Err(ModelErrorKind::Malformed),
        }
        // Without a reason to have stopped it has not.
        let reason = message.stop_reason.0.ok_or(ModelErrorKind::Incomplete)?;
        told.push(Told::Begun);
        let blocks = message.content.0.into_iter();
        let texts = blocks.filter(|block| block.kind == "text");
        told.extend(texts.filter_map(|block| block.text.0).map(Told::Text));
        self.counted.add(message.usage.0);
        told.extend(self.counted.known().map(Told::Usage));
        told.extend([Told::Finish(known_reason(&reason)), Told::Done]);
        Ok(())
    }
}

fn error(json: &[u8]) -> ModelErrorKind {
    refusal::kind_in_answer(&error_in_answer(json))
}

fn known_reason(told: &str) -> &'static str {
    match told {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "refusal" => "content_filter",
        "tool_use" => "tool_calls",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;

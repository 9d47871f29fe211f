//! Reads the events of ConverseStream, or a Converse answer as one document.
//!
//! An answer has ended with `messageStop`; the counts come behind it, in `metadata`.

use serde::Deserialize;

use super::refusal;
use crate::models::{
    ModelErrorKind, Usage,
    providers::http::{Few, Lenient, Reader, Told},
};

#[derive(Default)]
pub(super) struct ConverseReader;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    delta: Lenient<Block>,
    #[serde(default)]
    stop_reason: Lenient<String>,
    #[serde(default)]
    usage: Lenient<ToldUsage>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    text: Lenient<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    output: Output,
    stop_reason: String,
    #[serde(default)]
    usage: Lenient<ToldUsage>,
}

#[derive(Deserialize)]
struct Output {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Few<Block>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldUsage {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: Lenient<u64>,
    #[serde(default)]
    cache_write_input_tokens: Lenient<u64>,
}

impl ToldUsage {
    /// The service leaves out of its input what was cached; we do not.
    fn known(&self) -> Usage {
        let cached = self.cache_read_input_tokens.0;
        let written = self.cache_write_input_tokens.0;
        let input = self.input_tokens.saturating_add(cached.unwrap_or(0));
        Usage {
            input_tokens: input.saturating_add(written.unwrap_or(0)),
            output_tokens: self.output_tokens,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            reasoning_tokens: None,
            is_estimate: false,
        }
    }
}

impl Reader for ConverseReader {
    fn event(
        &mut self,
        name: &str,
        data: &str,
        told: &mut Vec<Told>,
    ) -> Result<(), ModelErrorKind> {
        if let Some(exception) = name.strip_prefix("exception:") {
            return Err(refusal::kind_in_answer(exception, data));
        }
        let event = serde_json::from_str::<Event>(data).map_err(|_| ModelErrorKind::Malformed)?;
        match name {
            "messageStart" => told.push(Told::Begun),
            "contentBlockDelta" => {
                told.extend(event.delta.0.and_then(|delta| delta.text.0).map(Told::Text));
            }
            "messageStop" => {
                let reason = event.stop_reason.0.ok_or(ModelErrorKind::Malformed)?;
                told.push(Told::Finish(known_reason(&reason)));
            }
            "metadata" => {
                told.extend(event.usage.0.map(|usage| Told::Usage(usage.known())));
                told.push(Told::Done);
            }
            _ => {}
        }
        Ok(())
    }

    fn document(&mut self, json: &[u8], told: &mut Vec<Told>) -> Result<(), ModelErrorKind> {
        let whole = serde_json::from_slice::<Whole>(json).map_err(|_| ModelErrorKind::Malformed)?;
        told.push(Told::Begun);
        let blocks = whole.output.message.content.0.into_iter();
        told.extend(blocks.filter_map(|block| block.text.0).map(Told::Text));
        told.extend(whole.usage.0.map(|usage| Told::Usage(usage.known())));
        told.extend([Told::Finish(known_reason(&whole.stop_reason)), Told::Done]);
        Ok(())
    }
}

fn known_reason(told: &str) -> &'static str {
    match told {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "content_filtered" | "guardrail_intervened" => "content_filter",
        "tool_use" => "tool_calls",
        _ => "unknown",
    }
}

//! Reads the chunks of an answer, or an answer as one document: they have the same form.
//!
//! An answer is whole with a finish reason and with nothing less. Thoughts are not told on. A prompt
//! that was blocked comes with status 200 and no candidate, and is an error all the same.

use serde::Deserialize;

use super::refusal;
use crate::models::{
    ModelErrorKind, Usage,
    providers::http::{Few, Lenient, Reader, Told, error_in_answer},
};

#[derive(Default)]
pub(in crate::models::providers) struct ContentReader;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    #[serde(default)]
    candidates: Option<Few<Candidate>>,
    #[serde(default)]
    prompt_feedback: Lenient<Feedback>,
    #[serde(default)]
    usage_metadata: Lenient<ToldUsage>,
    #[serde(default)]
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    content: Lenient<Content>,
    #[serde(default)]
    finish_reason: Lenient<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Few<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: Lenient<String>,
    #[serde(default)]
    thought: Lenient<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Lenient<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldUsage {
    #[serde(default)]
    prompt_token_count: Lenient<u64>,
    #[serde(default)]
    cached_content_token_count: Lenient<u64>,
    #[serde(default)]
    candidates_token_count: Lenient<u64>,
    #[serde(default)]
    thoughts_token_count: Lenient<u64>,
}

impl ToldUsage {
    /// The vendor counts thoughts apart from the answer; we do not.
    fn known(&self) -> Option<Usage> {
        let thoughts = self.thoughts_token_count.0;
        let answer = self.candidates_token_count.0.unwrap_or(0);
        Some(Usage {
            input_tokens: self.prompt_token_count.0?,
            output_tokens: answer.saturating_add(thoughts.unwrap_or(0)),
            cached_input_tokens: self.cached_content_token_count.0,
            cache_write_tokens: None,
            reasoning_tokens: thoughts,
            is_estimate: false,
        })
    }
}

impl Reader for ContentReader {
    fn event(&mut self, _: &str, data: &str, told: &mut Vec<Told>) -> Result<(), ModelErrorKind> {
        self.document(data.as_bytes(), told)
    }

    fn document(&mut self, json: &[u8], told: &mut Vec<Told>) -> Result<(), ModelErrorKind> {
        let Ok(chunk) = serde_json::from_slice::<Chunk>(json) else {
            // Errors come in an array where no events were asked for.
            let body = error_in_answer(json);
            return Err(
                if body[0]["error"].is_object() || body["error"].is_object() {
                    refusal::kind_in_answer(&body)
                } else {
                    ModelErrorKind::Malformed
                },
            );
        };
        if chunk.error.is_some() {
            return Err(refusal::kind_in_answer(&error_in_answer(json)));
        }
        let usage = chunk.usage_metadata.0.as_ref();
        let is_ours = usage.is_some() || chunk.candidates.is_some();
        told.extend(usage.and_then(ToldUsage::known).map(Told::Usage));
        let feedback = chunk.prompt_feedback.0;
        let is_blocked = feedback.is_some_and(|feedback| feedback.block_reason.0.is_some());
        let candidates = chunk.candidates.unwrap_or_default().0;
        if is_blocked && candidates.is_empty() {
            return Err(ModelErrorKind::ContentFiltered);
        }
        if !is_ours {
            return Err(ModelErrorKind::Malformed);
        }
        // One answer was asked for.
        for candidate in candidates
            .into_iter()
            .filter(|candidate| candidate.index == 0)
        {
            told.push(Told::Begun);
            let parts = candidate.content.0.map(|content| content.parts.0);
            let said = parts
                .into_iter()
                .flatten()
                .filter(|part| part.thought.0 != Some(true));
            told.extend(said.filter_map(|part| part.text.0).map(Told::Text));
            let reason = candidate.finish_reason.0;
            told.extend(reason.map(|reason| Told::Finish(known_reason(&reason))));
        }
        Ok(())
    }
}

fn known_reason(told: &str) -> &'static str {
    match told {
        "STOP" => "stop",
        "MAX_TOKENS" => "length",
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => "content_filter",
        "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" | "MALFORMED_FUNCTION_CALL" => "tool_calls",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;

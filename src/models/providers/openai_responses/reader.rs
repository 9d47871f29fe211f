//! Reads the events of a response, or a response as one document.
//!
//! An answer is whole with `response.completed` or `response.incomplete`, and with nothing less.
//! Of the many kinds of events only those that carry text, an error or the end are understood;
//! unknown ones are passed over, as the vendor reserves the right to add some.

use serde::Deserialize;

use crate::models::{
    ModelErrorKind, Usage,
    providers::{
        http::{Few, Lenient, Reader, Told, error_in_answer},
        openai,
    },
};

#[derive(Default)]
pub(super) struct ResponseReader;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    delta: Lenient<String>,
    #[serde(default)]
    response: Lenient<End>,
}

/// What matters of a response at its end.
#[derive(Deserialize)]
struct End {
    #[serde(default)]
    incomplete_details: Lenient<Incomplete>,
    #[serde(default)]
    usage: Lenient<ToldUsage>,
}

#[derive(Deserialize)]
struct Incomplete {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    status: String,
    #[serde(default)]
    output: Few<Item>,
    #[serde(default)]
    incomplete_details: Lenient<Incomplete>,
    #[serde(default)]
    usage: Lenient<ToldUsage>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    content: Lenient<Few<Part>>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: Lenient<String>,
    #[serde(default)]
    refusal: Lenient<String>,
}

#[derive(Deserialize)]
struct ToldUsage {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    input_tokens_details: Lenient<InputDetails>,
    #[serde(default)]
    output_tokens_details: Lenient<OutputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Lenient<u64>,
    #[serde(default)]
    cache_write_tokens: Lenient<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Lenient<u64>,
}

impl ToldUsage {
    fn known(&self) -> Usage {
        let input = self.input_tokens_details.0.as_ref();
        let output = self.output_tokens_details.0.as_ref();
        Usage {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cached_input_tokens: input.and_then(|details| details.cached_tokens.0),
            cache_write_tokens: input.and_then(|details| details.cache_write_tokens.0),
            reasoning_tokens: output.and_then(|details| details.reasoning_tokens.0),
            is_estimate: false,
        }
    }
}

impl Reader for ResponseReader {
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
            "response.output_text.delta" | "response.refusal.delta" => {
                let text = event.delta.0.ok_or(ModelErrorKind::Malformed)?;
                told.push(Told::Text(text));
            }
            "response.created" => told.push(Told::Begun),
            "response.completed" | "response.incomplete" => {
                let end = event.response.0.ok_or(ModelErrorKind::Malformed)?;
                end.tell(told);
            }
            // Azure sends both, `error` first.
            "response.failed" | "error" => return Err(error(data.as_bytes())),
            // Neither of this protocol nor an event of it that we do not know.
            "" => return Err(ModelErrorKind::Malformed),
            _ => {}
        }
        Ok(())
    }

    fn document(&mut self, json: &[u8], told: &mut Vec<Told>) -> Result<(), ModelErrorKind> {
        let Ok(response) = serde_json::from_slice::<Response>(json) else {
            return Err(ModelErrorKind::Malformed);
        };
        match response.status.as_str() {
            "completed" | "incomplete" => {}
            "failed" | "cancelled" => return Err(error(json)),
            _ => {
                let body = error_in_answer(json);
                return Err(if body.get("error").is_some_and(|error| !error.is_null()) {
                    openai::kind_in_answer(&body)
                } else {
                    ModelErrorKind::Malformed
                });
            }
        }
        told.push(Told::Begun);
        let items = response.output.0.into_iter();
        for message in items.filter(|item| item.kind == "message") {
            for part in message.content.0.unwrap_or_default().0 {
                let texts = [part.text.0, part.refusal.0];
                told.extend(texts.into_iter().flatten().map(Told::Text));
            }
        }
        let end = End {
            incomplete_details: response.incomplete_details,
            usage: response.usage,
        };
        end.tell(told);
        Ok(())
    }
}

impl End {
    fn tell(&self, told: &mut Vec<Told>) {
        told.push(Told::Begun);
        if let Some(usage) = &self.usage.0 {
            told.push(Told::Usage(usage.known()));
        }
        let reason = self.incomplete_details.0.as_ref();
        told.push(Told::Finish(
            match reason.map(|told| told.reason.as_str()) {
                None => "stop",
                Some("max_output_tokens") => "length",
                Some("content_filter") => "content_filter",
                Some(_) => "unknown",
            },
        ));
        told.push(Told::Done);
    }
}

/// The kind of an error: `{"error": …}`, `{"response": {"error": …}}`, or the error itself.
fn error(json: &[u8]) -> ModelErrorKind {
    let body = error_in_answer(json);
    let inner = body.get("response").unwrap_or(&body);
    openai::kind_in_answer(inner)
}

#[cfg(test)]
mod tests;

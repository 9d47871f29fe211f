//! What the stand-in writes: chunks, documents and the steps in which they go out.

use std::{io, sync::Arc};

use axum::body::Bytes;
use futures_util::{Stream, stream};
use serde_json::{Value, json};

use super::{
    dialect::{Asked, Dialect},
    server::{Shared, Visit},
};

/// One step of writing a body.
pub(super) enum Step {
    Send(Bytes),
    /// Wait until somebody releases one held request.
    Wait,
    /// End the connection in disorder.
    Break,
    /// Send this again and again.
    Forever(Bytes),
}

/// The words that vary from behaviour to behaviour.
pub(super) struct Wording<'a> {
    pub(super) text: &'a str,
    pub(super) model: &'a str,
    pub(super) id: &'a str,
    pub(super) finish_reason: &'a str,
    pub(super) delta_characters: usize,
}

/// The text that is answered, cut to what was asked, and why it ends.
pub(super) fn cut<'a>(reply: &'a str, asked: &Asked) -> (String, &'a str) {
    let most = asked
        .max_words
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(usize::MAX);
    let words: Vec<&str> = reply.split(' ').collect();
    match words.get(..most) {
        Some(fewer) if fewer.len() < words.len() => (fewer.join(" "), "length"),
        _ => (reply.to_owned(), "stop"),
    }
}

/// The events of a streamed answer, each with its blank line.
pub(super) fn events(dialect: Dialect, asked: &Asked, wording: &Wording<'_>) -> Vec<String> {
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": wording.id,
            "object": "chat.completion.chunk",
            "created": 1_760_000_000,
            "model": wording.model,
            "system_fingerprint": if dialect == Dialect::OpenAi { "fp_0" } else { "fp_ollama" },
            "choices": choices,
        });
        if dialect == Dialect::OpenAi && asked.include_usage {
            chunk["usage"] = Value::Null;
        }
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: Value, reason: Option<&str>| json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }]);
    let mut events = vec![chunk(
        choice(json!({ "role": "assistant", "content": "" }), None),
        None,
    )];
    let characters: Vec<char> = wording.text.chars().collect();
    for piece in characters.chunks(wording.delta_characters.max(1)) {
        let piece: String = piece.iter().collect();
        events.push(chunk(choice(json!({ "content": piece }), None), None));
    }
    events.push(chunk(choice(json!({}), Some(wording.finish_reason)), None));
    if asked.include_usage {
        events.push(chunk(json!([]), Some(usage(asked, wording.text))));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// A whole answer as one document.
pub(super) fn document(asked: &Asked, wording: &Wording<'_>) -> Value {
    json!({
        "id": wording.id,
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": wording.model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": wording.text, "refusal": null },
            "finish_reason": wording.finish_reason,
        }],
        "usage": usage(asked, wording.text),
    })
}

fn usage(asked: &Asked, text: &str) -> Value {
    let (prompt, answer) = (asked.prompt_words, text.split_whitespace().count());
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    })
}

/// `bytes`, so many at a time.
pub(super) fn frames(bytes: String, at_a_time: usize) -> Vec<Step> {
    let mut bytes = Bytes::from(bytes);
    let mut steps = Vec::new();
    while !bytes.is_empty() {
        steps.push(Step::Send(bytes.split_to(at_a_time.clamp(1, bytes.len()))));
    }
    steps
}

/// A body that takes `steps`. It owns the visit, so that a client that goes away is noticed.
pub(super) fn body(
    steps: Vec<Step>,
    shared: Arc<Shared>,
    visit: Visit,
) -> impl Stream<Item = io::Result<Bytes>> {
    let start = (steps.into_iter(), shared, Some(visit), None::<Bytes>);
    stream::unfold(start, async |(mut steps, shared, mut visit, forever)| {
        if let Some(bytes) = &forever {
            let again = Ok(bytes.clone());
            // A body that is always ready would keep its connection's task to itself.
            tokio::task::yield_now().await;
            return Some((again, (steps, shared, visit, forever)));
        }
        loop {
            match steps.next() {
                None => {
                    if let Some(visit) = visit.take() {
                        visit.answered();
                    }
                    return None;
                }
                Some(Step::Send(bytes)) => return Some((Ok(bytes), (steps, shared, visit, None))),
                Some(Step::Wait) => shared.held().await,
                Some(Step::Break) => {
                    let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
                    return Some((broken, (Vec::new().into_iter(), shared, visit, None)));
                }
                Some(Step::Forever(bytes)) => {
                    return Some((Ok(bytes.clone()), (steps, shared, visit, Some(bytes))));
                }
            }
        }
    })
}

//! Bodies cut anywhere, broken off anywhere, and longer than they may be.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::stream;

use super::*;
use crate::models::providers::{http::Wire, openai::ChatCompletions};

fn reader() -> Box<dyn crate::models::providers::http::Reader> {
    ChatCompletions.reader()
}

/// Runs `read` with nothing beside it.
fn alone<T>(read: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(read)
}

const STREAM: &str = concat!(
    ": a comment\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    "event: message\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße, \"}}]}\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"Welt\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

/// Reads `pieces`, then an orderly end or a broken connection.
fn read(pieces: &[&[u8]], broken: bool) -> Result<Whole, ModelErrorKind> {
    let end = broken.then_some(Err(()));
    let body: Vec<Result<Bytes, ()>> = pieces
        .iter()
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .chain(end)
        .collect();
    let read = events(
        stream::iter(body),
        framing("text/event-stream").unwrap(),
        Answer::new(reader(), None, 1000),
        1000,
        false,
        |_| {},
    );
    alone(read)
}

#[test]
fn a_stream_split_at_any_byte_reads_the_same() {
    let bytes = STREAM.as_bytes();
    let whole = read(&[bytes], false).unwrap();
    assert_eq!(whole.text, "Grüße, Welt");
    assert_eq!(whole.usage.unwrap().output_tokens, 2);
    for split in 0..bytes.len() {
        assert_eq!(
            read(&[&bytes[..split], &bytes[split..]], false).unwrap(),
            whole,
            "{split}"
        );
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(read(&single, false).unwrap(), whole);
}

#[test]
fn a_stream_that_breaks_off_anywhere_is_never_a_success() {
    let bytes = STREAM.as_bytes();
    let done = bytes.len() - 1;
    for cut in 0..done {
        let result = read(&[&bytes[..cut]], true);
        assert!(
            matches!(result, Err(ModelErrorKind::Incomplete)),
            "{cut}: {result:?}"
        );
    }
}

#[test]
fn a_stream_that_ends_early_is_a_success_only_behind_its_finish_reason() {
    let bytes = STREAM.as_bytes();
    let finished = STREAM.find("finish_reason").unwrap() + "finish_reason\":\"stop\"}]}\n".len();
    for cut in 0..bytes.len() {
        let result = read(&[&bytes[..cut]], false);
        assert_eq!(result.is_ok(), cut > finished, "{cut}: {result:?}");
        assert!(result.is_err() || result.unwrap().text == "Grüße, Welt");
    }
}

#[test]
fn an_event_a_body_and_an_answer_have_limits() {
    let endless = vec![b'x'; MAX_EVENT_BYTES + 1];
    let line = events(
        stream::iter([Ok::<_, ()>(Bytes::from(endless))]),
        framing("text/event-stream").unwrap(),
        Answer::new(reader(), None, usize::MAX),
        usize::MAX,
        false,
        |_| {},
    );
    assert!(matches!(
        alone(line),
        Err(ModelErrorKind::AnswerTooLarge { .. })
    ));
    for storm in [": keep alive\n\n", "\n", "\r\n"] {
        let fits = storm.repeat(16_000 / storm.len());
        let body = read(&[fits.as_bytes()], false);
        assert!(matches!(body, Err(ModelErrorKind::Incomplete)), "{body:?}");
        let body = read(&[fits.as_bytes(), storm.repeat(10).as_bytes()], false);
        assert!(matches!(
            body,
            Err(ModelErrorKind::AnswerTooLarge { limit: 1000 })
        ));
    }
}

/// How often another task on the same thread runs while `read` does.
fn turns_beside<T>(read: impl Future<Output = T>) -> usize {
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    alone(async move {
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        read.await;
        other.abort();
    });
    turns.load(Ordering::Relaxed)
}

#[test]
fn others_run_while_a_long_answer_is_read() {
    const LENGTH: usize = 1 << 20;
    let text = "x".repeat(LENGTH);
    let json =
        format!(r#"{{"choices":[{{"message":{{"content":"{text}"}},"finish_reason":"stop"}}]}}"#);
    let whole = document(
        stream::iter([Ok::<_, ()>(Bytes::from(json))]),
        Answer::new(reader(), None, LENGTH),
        LENGTH,
        |_| {},
    );
    let turns = turns_beside(async { assert_eq!(whole.await.unwrap().text, text) });
    assert!(turns >= LENGTH / SLICE_BYTES, "{turns}");
    // Few of these bytes are text, and none of those below is an event.
    let delta = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    for (part, piece) in [(delta, LENGTH), (delta, 100), ("\n", LENGTH), ("\n", 1)] {
        let body = Bytes::from(part.repeat(LENGTH / part.len()));
        let pieces: Vec<_> = body
            .chunks(piece)
            .map(|piece| Ok::<_, ()>(body.slice_ref(piece)))
            .collect();
        let answer = Answer::new(reader(), None, LENGTH);
        let read = events(
            stream::iter(pieces),
            framing("text/event-stream").unwrap(),
            answer,
            LENGTH,
            false,
            |_| {},
        );
        let turns = turns_beside(async { assert!(read.await.is_err()) });
        assert!(turns >= LENGTH / SLICE_BYTES / 2, "{turns}");
    }
}

#[test]
fn bytes_that_are_not_text_are_malformed() {
    assert!(matches!(
        read(&[b"data: \xff\xff\n\n"], false),
        Err(ModelErrorKind::Malformed)
    ));
}

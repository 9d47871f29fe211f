//! Reads an answer's body: as an event stream, or as one JSON document where a server ignores
//! that a stream was asked for.
//!
//! Everything is bounded: the body, one line of it, and with them the parser's buffers. Errors of
//! the parser and the transport hold pieces of the body and are dropped here.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt, stream};

use super::answer::{Answer, Whole};
use crate::models::ModelErrorKind;

/// The longest line of an event stream: the parser reads an unfinished line again with each
/// piece.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// What the parser is given at a time: it copies the rest of its buffer with each line.
const PIECE_BYTES: usize = 4 * 1024;

/// How long to wait, behind the last event, for the end of a body whose connection is to be kept.
const LINGER: Duration = Duration::from_millis(100);
/// Around each few characters of text stands an envelope of some hundred bytes.
const ENVELOPE: usize = 16;

/// Reads a stream of events to its end, and reports to `progress` the characters so far. With
/// `reuse` it reads on to the end of the body, without which a connection cannot be kept.
pub(super) async fn events<E>(
    body: impl Stream<Item = Result<Bytes, E>>,
    mut answer: Answer,
    max_bytes: usize,
    reuse: bool,
    mut progress: impl FnMut(u64),
) -> Result<Whole, ModelErrorKind> {
    let mut events = pin!(bounded(body, max_bytes.saturating_mul(ENVELOPE)).eventsource());
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| match error {
            EventStreamError::Transport(Broken::TooLarge) => {
                ModelErrorKind::AnswerTooLarge { limit: max_bytes }
            }
            EventStreamError::Transport(Broken::Off) => ModelErrorKind::Incomplete,
            EventStreamError::Utf8(_) | EventStreamError::Parser(_) => ModelErrorKind::Malformed,
        })?;
        let before = answer.characters();
        answer.event(&event.event, &event.data)?;
        if answer.characters() > before {
            progress(answer.characters());
        }
        if answer.is_done() {
            if reuse {
                let end = async { while events.next().await.is_some_and(|event| event.is_ok()) {} };
                // What does not come in time costs a connection, not the answer.
                let _ = tokio::time::timeout(LINGER, end).await;
            }
            break;
        }
    }
    answer.finish()
}

/// Reads one JSON document.
pub(super) async fn document<E>(
    body: impl Stream<Item = Result<Bytes, E>>,
    mut answer: Answer,
    max_bytes: usize,
    mut progress: impl FnMut(u64),
) -> Result<Whole, ModelErrorKind> {
    // Escapes may double the text; more than that is not prose.
    let limit = max_bytes.saturating_mul(2).saturating_add(64 * 1024);
    let json = match whole(body, limit).await {
        Ok(json) => json,
        Err(Broken::TooLarge) => return Err(ModelErrorKind::AnswerTooLarge { limit: max_bytes }),
        Err(Broken::Off) => return Err(ModelErrorKind::Incomplete),
    };
    answer.document(&json)?;
    if answer.characters() > 0 {
        progress(answer.characters());
    }
    answer.finish()
}

/// Why a body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Off,
    TooLarge,
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn whole<E>(
    body: impl Stream<Item = Result<Bytes, E>>,
    limit: usize,
) -> Result<Vec<u8>, Broken> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Broken::Off)?;
        if read.len() + piece.len() > limit {
            return Err(Broken::TooLarge);
        }
        read.extend_from_slice(&piece);
    }
    Ok(read)
}

fn bounded<E>(
    body: impl Stream<Item = Result<Bytes, E>>,
    limit: usize,
) -> impl Stream<Item = Result<Bytes, Broken>> {
    let (mut total, mut line) = (0_usize, 0_usize);
    let pieces = body.flat_map(|read| {
        let (mut rest, broken) = match read {
            Ok(bytes) => (bytes, None),
            Err(_) => (Bytes::new(), Some(Err(Broken::Off))),
        };
        let split = std::iter::from_fn(move || {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            (!piece.is_empty()).then_some(Ok(piece))
        });
        stream::iter(split.chain(broken))
    });
    pieces.map(move |piece| {
        let piece = piece?;
        total += piece.len();
        line = match piece.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(end) => piece.len() - end,
            None => line + piece.len(),
        };
        if total > limit || line > MAX_LINE_BYTES {
            Err(Broken::TooLarge)
        } else {
            Ok(piece)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            Answer::new(None, 1000),
            1000,
            false,
            |_| {},
        );
        futures_util::FutureExt::now_or_never(read).unwrap()
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
        let finished =
            STREAM.find("finish_reason").unwrap() + "finish_reason\":\"stop\"}]}\n".len();
        for cut in 0..bytes.len() {
            let result = read(&[&bytes[..cut]], false);
            assert_eq!(result.is_ok(), cut > finished, "{cut}: {result:?}");
            assert!(result.is_err() || result.unwrap().text == "Grüße, Welt");
        }
    }

    #[test]
    fn a_line_a_body_and_an_answer_have_limits() {
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        let line = events(
            stream::iter([Ok::<_, ()>(Bytes::from(endless))]),
            Answer::new(None, usize::MAX),
            usize::MAX,
            false,
            |_| {},
        );
        let line = futures_util::FutureExt::now_or_never(line).unwrap();
        assert!(matches!(line, Err(ModelErrorKind::AnswerTooLarge { .. })));
        let comments = ": keep alive\n\n".repeat(2000);
        let body = read(&[comments.as_bytes()], false);
        assert!(matches!(
            body,
            Err(ModelErrorKind::AnswerTooLarge { limit: 1000 })
        ));
    }

    #[test]
    fn bytes_that_are_not_text_are_malformed() {
        assert!(matches!(
            read(&[b"data: \xff\xff\n\n"], false),
            Err(ModelErrorKind::Malformed)
        ));
    }
}

//! Reads an answer's body: as a stream of events, or as one JSON document where a server ignores
//! that a stream was asked for.
//!
//! Everything is bounded: the body, one event of it, and the work between two chances for others
//! to run. Errors of the parser and the transport hold pieces of the body and are dropped here.

#[cfg(feature = "bedrock")]
mod frames;
mod parser;

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::task::yield_now;

use super::answer::{Answer, Whole};
use crate::models::ModelErrorKind;

/// The longest event, with all its lines and the comments within.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// How much of a body is parsed before others may run.
const SLICE_BYTES: usize = 8 * 1024;
/// How long to wait, behind the last event, for the end of a body whose connection is to be kept.
const LINGER: Duration = Duration::from_millis(100);
/// Around each few characters of text stands an envelope of some hundred bytes. A stream may have
/// so many times the bytes of the longest answer.
const ENVELOPE: usize = 16;

/// How a stream is made of events.
pub(in crate::models::providers) trait Framing: Send {
    /// Takes from `piece` until an event ends, or all of it.
    fn next(&mut self, piece: &mut &[u8]) -> Result<Option<Event>, Error>;
}

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::models::providers) struct Event {
    /// Empty, where the server named none.
    pub(super) name: String,
    pub(super) data: String,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::models::providers) enum Error {
    TooLarge,
    Malformed,
}

/// The framing of a media type, if it is one of streams.
pub(in crate::models::providers) fn framing(media_type: &str) -> Option<Box<dyn Framing>> {
    match media_type {
        "text/event-stream" => Some(Box::<parser::Parser>::default()),
        #[cfg(feature = "bedrock")]
        "application/vnd.amazon.eventstream" => Some(Box::<frames::Frames>::default()),
        _ => None,
    }
}

/// Reads a stream of events to its end, and reports to `progress` the characters so far. With
/// `reuse` it reads on to the end of the body, without which a connection cannot be kept.
pub(in crate::models::providers) async fn events<E>(
    body: impl Stream<Item = Result<Bytes, E>>,
    mut framing: Box<dyn Framing>,
    mut answer: Answer,
    max_bytes: usize,
    reuse: bool,
    mut progress: impl FnMut(u64),
) -> Result<Whole, ModelErrorKind> {
    let mut body = pin!(body);
    let mut left = max_bytes.saturating_mul(ENVELOPE);
    let mut unyielded = 0;
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(|_| ModelErrorKind::Incomplete)?;
        left = (left.checked_sub(piece.len()))
            .ok_or(ModelErrorKind::AnswerTooLarge { limit: max_bytes })?;
        while !piece.is_empty() {
            let slice = piece.split_to(piece.len().min(SLICE_BYTES));
            let mut rest = &slice[..];
            while let Some(event) = framing.next(&mut rest).map_err(|error| match error {
                Error::TooLarge => ModelErrorKind::AnswerTooLarge { limit: max_bytes },
                Error::Malformed => ModelErrorKind::Malformed,
            })? {
                let before = answer.characters();
                answer.event(&event.name, &event.data).await?;
                if answer.characters() > before {
                    progress(answer.characters());
                }
                if answer.is_done() {
                    if reuse {
                        drain(body.as_mut(), left).await;
                    }
                    return answer.finish();
                }
            }
            // Many small pieces are work as well as one that is large.
            unyielded += slice.len();
            if unyielded >= SLICE_BYTES {
                unyielded = 0;
                yield_now().await;
            }
        }
    }
    answer.finish()
}

/// Reads to the end of `body`, if that is near: otherwise it costs a connection, not the answer.
async fn drain<E>(mut body: impl Stream<Item = Result<Bytes, E>> + Unpin, mut left: usize) {
    let end = async {
        while let Some(Ok(piece)) = body.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, end).await;
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
    answer.document(&json).await?;
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

#[cfg(test)]
mod tests;

//! What the fuzzer asks of every protocol: to read an answer, and to read a refusal.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{StatusCode, header::HeaderMap};

use super::{
    PROTOCOLS,
    http::{Answer, Refused, events, framing},
};
use crate::models::ModelError;

/// How many protocols there are.
#[must_use]
pub fn protocols() -> usize {
    PROTOCOLS.len()
}

/// Reads `bytes`, a few at a time, as an answer in the protocol of this number; its text and the
/// reason for its end, if it is whole.
#[must_use]
pub fn read(protocol: usize, bytes: &[u8], at_a_time: usize) -> Option<(String, &'static str)> {
    let (name, wire) = PROTOCOLS[protocol % PROTOCOLS.len()];
    let media_type = match name {
        "bedrock" => "application/vnd.amazon.eventstream",
        _ => "text/event-stream",
    };
    let pieces = bytes.chunks(at_a_time.max(1));
    let body = stream::iter(pieces.map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))));
    let answer = Answer::new(wire().reader(), None, 1 << 20);
    let read = events(body, framing(media_type)?, answer, 1 << 20, false, |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    let whole = runtime.block_on(read).ok()?;
    Some((whole.text, whole.finish_reason))
}

/// What a client and an operator are told of a refusal.
#[must_use]
pub fn refusal(protocol: usize, status: u16, body: &[u8]) -> String {
    let (_, wire) = PROTOCOLS[protocol % PROTOCOLS.len()];
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = HeaderMap::new();
    let refused = Refused {
        status,
        headers: &headers,
        body,
    };
    let error = ModelError::new(wire().refusal(&refused));
    format!("{error}\n{}", error.operator())
}

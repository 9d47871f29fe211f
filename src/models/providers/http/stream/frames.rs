//! The binary frames of Amazon's event streams (smithy.io, "Amazon Event Stream Specification").
//!
//! A frame is put together here, with a limit that is looked at before anything is kept; the
//! official crate reads it and checks its sums.

use std::mem;

use aws_smithy_eventstream::frame::read_message_from;

use super::{Error, Event, Framing, MAX_EVENT_BYTES};

/// The length that begins a frame.
const LENGTH_BYTES: usize = 4;
/// A frame of nothing: its head and its two sums.
const LEAST_BYTES: usize = 16;

/// The frame that is being received.
#[derive(Default)]
pub(super) struct Frames {
    frame: Vec<u8>,
}

impl Framing for Frames {
    fn next(&mut self, piece: &mut &[u8]) -> Result<Option<Event>, Error> {
        while !piece.is_empty() {
            let wanted = match self.frame.first_chunk::<LENGTH_BYTES>() {
                None => LENGTH_BYTES,
                Some(length) => usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX),
            };
            if wanted > MAX_EVENT_BYTES {
                return Err(Error::TooLarge);
            }
            let (taken, rest) = piece.split_at((wanted - self.frame.len()).min(piece.len()));
            self.frame.extend_from_slice(taken);
            *piece = rest;
            if self.frame.len() < LENGTH_BYTES || self.frame.len() < length(&self.frame)? {
                continue;
            }
            return read(&mem::take(&mut self.frame)).map(Some);
        }
        Ok(None)
    }
}

/// The length of a frame by its first bytes.
fn length(frame: &[u8]) -> Result<usize, Error> {
    let length = frame
        .first_chunk::<LENGTH_BYTES>()
        .ok_or(Error::Malformed)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Error::TooLarge)?;
    match length {
        LEAST_BYTES..=MAX_EVENT_BYTES => Ok(length),
        0..LEAST_BYTES => Err(Error::Malformed),
        _ => Err(Error::TooLarge),
    }
}

/// An exception is an event of its own name, behind `exception:`.
fn read(frame: &[u8]) -> Result<Event, Error> {
    let message = read_message_from(frame).map_err(|_| Error::Malformed)?;
    let header = |name: &str| {
        let named = message
            .headers()
            .iter()
            .find(|header| header.name().as_str() == name);
        named.and_then(|header| header.value().as_string().ok().map(|text| text.as_str()))
    };
    let name = match header(":message-type") {
        Some("event") => header(":event-type").map(str::to_owned),
        Some("exception") => header(":exception-type").map(|name| format!("exception:{name}")),
        Some("error") => header(":error-code").map(|name| format!("exception:{name}")),
        _ => None,
    };
    let data = std::str::from_utf8(message.payload()).map_err(|_| Error::Malformed)?;
    Ok(Event {
        name: name.ok_or(Error::Malformed)?,
        data: data.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue, Message};

    use super::*;

    fn frame(headers: &[(&'static str, &'static str)], payload: &'static str) -> Vec<u8> {
        let mut message = Message::new(payload.as_bytes());
        for (name, value) in headers {
            message = message.add_header(Header::new(*name, HeaderValue::String((*value).into())));
        }
        let mut bytes = Vec::new();
        write_message_to(&message, &mut bytes).unwrap();
        bytes
    }

    fn events(pieces: &[&[u8]]) -> Result<Vec<(String, String)>, Error> {
        let mut frames = Frames::default();
        let mut events = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(event) = frames.next(&mut piece)? {
                events.push((event.name, event.data));
            }
        }
        Ok(events)
    }

    #[test]
    fn frames_are_read_at_every_split() {
        let bytes = [
            frame(
                &[(":message-type", "event"), (":event-type", "messageStart")],
                "{}",
            ),
            frame(
                &[
                    (":message-type", "exception"),
                    (":exception-type", "throttlingException"),
                ],
                "",
            ),
        ]
        .concat();
        let expected = [
            ("messageStart", "{}"),
            ("exception:throttlingException", ""),
        ]
        .map(|(name, data)| (name.to_owned(), data.to_owned()));
        for split in 0..=bytes.len() {
            assert_eq!(
                events(&[&bytes[..split], &bytes[split..]]).unwrap(),
                expected,
                "{split}"
            );
        }
        assert_eq!(
            events(&bytes.chunks(1).collect::<Vec<_>>()).unwrap(),
            expected
        );
    }

    #[test]
    fn a_frame_that_is_damaged_nameless_or_too_large_ends_the_stream() {
        let whole = frame(&[(":message-type", "event"), (":event-type", "x")], "{}");
        for at in 4..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(events(&[&damaged]), Err(Error::Malformed), "{at}");
        }
        assert_eq!(events(&[&frame(&[], "{}")]), Err(Error::Malformed));
        assert_eq!(events(&[&[0, 0, 0, 15, 0]]), Err(Error::Malformed));
        assert_eq!(events(&[&[0xff; 5]]), Err(Error::TooLarge));
        let large = u32::try_from(MAX_EVENT_BYTES + 1).unwrap().to_be_bytes();
        assert_eq!(events(&[&large, b"x"]), Err(Error::TooLarge));
    }
}

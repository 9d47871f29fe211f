//! The syntax of an event stream: lines, fields, events.
//!
//! Apart from the reading because it knows no network and no JSON. It must look at each byte once,
//! however the stream is cut into pieces, and must never keep more than one event.

use std::mem;

use super::{Error, Event, Framing, MAX_EVENT_BYTES};

/// What is read of an event that has not ended.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    name: String,
    data: String,
    /// Of this event, since the last empty line.
    bytes: usize,
    /// Whether the last line ended with a carriage return, to which a line feed may belong.
    returned: bool,
    /// Whether the first line, which may begin with a mark, is past.
    begun: bool,
    /// Bytes in which an end of line was looked for.
    #[cfg(test)]
    pub(super) looked_at: usize,
}

impl Framing for Parser {
    fn next(&mut self, piece: &mut &[u8]) -> Result<Option<Event>, Error> {
        while let Some(first) = piece.first() {
            if mem::take(&mut self.returned) && *first == b'\n' {
                *piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let line = &piece[..end.unwrap_or(piece.len())];
            #[cfg(test)]
            {
                self.looked_at += line.len() + usize::from(end.is_some());
            }
            self.bytes += line.len() + 1;
            if self.bytes > MAX_EVENT_BYTES {
                return Err(Error::TooLarge);
            }
            self.line.extend_from_slice(line);
            let Some(end) = end else {
                // The end of the line will be counted with the rest of it.
                self.bytes -= 1;
                *piece = &[];
                break;
            };
            self.returned = piece[end] == b'\r';
            *piece = &piece[end + 1..];
            if let Some(event) = self.end_line()? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

impl Parser {
    fn end_line(&mut self) -> Result<Option<Event>, Error> {
        let line = mem::take(&mut self.line);
        let mut text = std::str::from_utf8(&line).map_err(|_| Error::Malformed)?;
        if !mem::replace(&mut self.begun, true) {
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        if text.is_empty() {
            self.bytes = 0;
            let (name, mut data) = (mem::take(&mut self.name), mem::take(&mut self.data));
            // The line feed behind the last line of data.
            return Ok(data.pop().map(|_| Event { name, data }));
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.name),
            // Comments have an empty name; ids and times to reconnect are of no use here.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(event) = parser.next(&mut piece).unwrap() {
                events.push((event.name, event.data));
            }
        }
        events
    }

    #[test]
    fn lines_fields_and_events_are_those_of_the_standard_at_every_split() {
        let stream = "\u{feff}data: a\r\ndata:b\rdata\n\n: no\ndata:  c\nid: 1\r\n\r\n\
                      event: error\n\nevent: x\ndata:d:e\r\rdata: never ended\n";
        let expected = [("", "a\nb\n"), ("", " c"), ("x", "d:e")]
            .map(|(name, data)| (name.to_owned(), data.to_owned()));
        let bytes = stream.as_bytes();
        for split in 0..=bytes.len() {
            assert_eq!(
                events(&[&bytes[..split], &bytes[split..]]),
                expected,
                "{split}"
            );
        }
        assert_eq!(events(&bytes.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn each_byte_is_looked_at_once_however_small_the_pieces() {
        let line = [b"data: ".as_slice(), &vec![b'x'; 100_000], b"\n\n"].concat();
        let blank = vec![b'\n'; 100_000];
        for stream in [line, blank] {
            for size in [1, 7, 4096, stream.len()] {
                let mut parser = Parser::default();
                for mut piece in stream.chunks(size) {
                    while parser.next(&mut piece).unwrap().is_some() {}
                }
                assert_eq!(parser.looked_at, stream.len());
                assert!(parser.line.is_empty() && parser.data.is_empty());
            }
        }
    }

    #[test]
    fn an_event_has_a_limit_on_one_line_and_on_many_and_in_comments() {
        let fits = [
            b"data:".as_slice(),
            &vec![b'x'; MAX_EVENT_BYTES - 7],
            b"\n\n",
        ]
        .concat();
        let mut rest = &fits[..];
        assert!(Parser::default().next(&mut rest).unwrap().is_some());
        for line in ["data: 0123456789\n", ":\n", "x", "data\n"] {
            let stream = line.repeat(MAX_EVENT_BYTES / line.len() + 1);
            let mut parser = Parser::default();
            let mut rest = stream.as_bytes();
            assert_eq!(parser.next(&mut rest), Err(Error::TooLarge), "{line}");
            assert!(parser.line.len() + parser.data.len() <= MAX_EVENT_BYTES);
        }
    }
}

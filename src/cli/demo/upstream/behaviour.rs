//! What the stand-in can be told to do with the next request, good and bad.
//!
//! Every misbehaviour is of a kind that vendors, proxies or attackers have shown.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

/// What becomes of one request that the dialect accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// The reply, as the dialect streams it.
    #[default]
    Answer,
    /// The reply as one JSON document, although a stream was asked for.
    PlainJson,
    /// Nothing until released, then the reply.
    Hold,
    /// Half of the reply, then nothing until released, then the rest.
    HoldMidway,
    /// An error of the dialect's form.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// The error's code.
        code: &'static str,
        /// The value of `retry-after`, in seconds.
        retry_after: Option<u32>,
    },
    /// An error object inside a stream that began well.
    RefuseMidway {
        /// The error's code.
        code: &'static str,
    },
    /// The key that came with the request, sent back.
    Echo {
        /// Where.
        place: Place,
        /// How it is written.
        form: Form,
    },
    /// A redirect.
    Redirect {
        /// Where to.
        to: String,
    },
    /// The connection breaks after so many bytes of the stream.
    Break {
        /// How many.
        after_bytes: usize,
    },
    /// The stream ends in good order after so many bytes, wherever that is.
    EndEarly {
        /// How many.
        after_bytes: usize,
    },
    /// Text without end.
    Endless,
    /// A page of HTML with status 200.
    Html,
}

/// Where a key is echoed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the message of an error with this status.
    ErrorBody(u16),
    /// In the headers of an error, the request id among them.
    Header,
    /// In a JSON answer: in its text, its model, its id and its finish reason.
    Json,
    /// In an event stream: in its text, its model, its id and its finish reason.
    Stream {
        /// How many characters of text an event carries.
        delta_characters: usize,
        /// How many bytes are written at a time.
        frame_bytes: usize,
    },
}

/// How an echoed key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Raw,
    /// In base64, behind this many other bytes.
    Base64 {
        /// 0 to 2: the alignment.
        before: usize,
    },
    /// In base64 of the URL-safe alphabet, without padding.
    Base64Url,
    /// Each byte percent-encoded.
    Percent {
        /// With capital digits.
        upper: bool,
    },
    /// Each byte as `\u00XX`, once more than JSON itself needs.
    JsonEscaped,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 8] = [
        Self::Raw,
        Self::Base64 { before: 0 },
        Self::Base64 { before: 1 },
        Self::Base64 { before: 2 },
        Self::Base64Url,
        Self::Percent { upper: true },
        Self::Percent { upper: false },
        Self::JsonEscaped,
    ];

    /// `key`, written in this form.
    #[must_use]
    pub fn write(self, key: &str) -> String {
        let each = |write: fn(u8) -> String| key.bytes().map(write).collect();
        match self {
            Self::Raw => key.to_owned(),
            Self::Base64 { before } => STANDARD.encode(format!("{}{key}", "-".repeat(before))),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(key),
            Self::Percent { upper: true } => each(|byte| format!("%{byte:02X}")),
            Self::Percent { upper: false } => each(|byte| format!("%{byte:02x}")),
            Self::JsonEscaped => each(|byte| format!("\\u{byte:04x}")),
        }
    }
}

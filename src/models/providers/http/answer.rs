//! Puts an answer together from what its [`Reader`] says.
//!
//! It knows no network and no protocol. Text passes the key filter before it is kept. An answer is
//! whole when the server said so, by an end or a finish reason; anything less is an error, never a
//! short answer.

use tokio::task::yield_now;

use super::{Reader, Told};
use crate::{
    models::{ModelErrorKind, Usage},
    secrets::{Secret, live::Filter},
};

/// How much text is filtered before others may run.
const SLICE_BYTES: usize = 8 * 1024;

/// An answer that is being received.
pub(in crate::models::providers) struct Answer {
    reader: Box<dyn Reader>,
    told: Vec<Told>,
    filter: Filter,
    text: String,
    max_bytes: usize,
    received_bytes: usize,
    received_characters: u64,
    finish_reason: Option<&'static str>,
    usage: Option<Usage>,
    done: bool,
    begun: bool,
    /// Bytes of text filtered since others could run.
    unyielded: usize,
}

/// An answer that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::models::providers) struct Whole {
    pub(in crate::models::providers) text: String,
    pub(in crate::models::providers) finish_reason: &'static str,
    pub(in crate::models::providers) usage: Option<Usage>,
}

impl Answer {
    pub(in crate::models::providers) fn new(
        reader: Box<dyn Reader>,
        key: Option<&Secret>,
        max_bytes: usize,
    ) -> Self {
        Self {
            reader,
            told: Vec::new(),
            filter: key.map_or_else(Filter::default, |key| key.expose(Filter::of_key)),
            text: String::new(),
            max_bytes,
            received_bytes: 0,
            received_characters: 0,
            finish_reason: None,
            usage: None,
            done: false,
            begun: false,
            unyielded: 0,
        }
    }

    /// Characters of text received so far.
    pub(in crate::models::providers) fn characters(&self) -> u64 {
        self.received_characters
    }

    /// Whether nothing more is to be expected.
    pub(in crate::models::providers) fn is_done(&self) -> bool {
        self.done
    }

    /// Takes one event of a stream.
    pub(in crate::models::providers) async fn event(
        &mut self,
        name: &str,
        data: &str,
    ) -> Result<(), ModelErrorKind> {
        self.reader.event(name, data, &mut self.told)?;
        self.absorb().await
    }

    /// Takes the whole answer as one JSON document.
    pub(in crate::models::providers) async fn document(
        &mut self,
        json: &[u8],
    ) -> Result<(), ModelErrorKind> {
        self.reader.document(json, &mut self.told)?;
        self.absorb().await
    }

    /// Ends the answer: the server closed it in an orderly way.
    pub(in crate::models::providers) fn finish(mut self) -> Result<Whole, ModelErrorKind> {
        if !self.begun || (self.finish_reason.is_none() && !self.done) {
            return Err(ModelErrorKind::Incomplete);
        }
        self.filter.finish(&mut self.text);
        let finish_reason = self.finish_reason.unwrap_or("unknown");
        if finish_reason == "content_filter" && self.text.is_empty() {
            return Err(ModelErrorKind::ContentFiltered);
        }
        Ok(Whole {
            text: self.text,
            finish_reason,
            usage: self.usage,
        })
    }

    /// Whether `text` holds a piece of this call's key.
    pub(in crate::models::providers) fn holds_key(&self, text: &str) -> bool {
        self.filter.holds(text)
    }

    async fn absorb(&mut self) -> Result<(), ModelErrorKind> {
        let mut told = std::mem::take(&mut self.told);
        for told in told.drain(..) {
            match told {
                Told::Begun => self.begun = true,
                Told::Text(text) => {
                    self.begun = true;
                    self.take(&text).await?;
                }
                Told::Finish(reason) => self.finish_reason = Some(reason),
                Told::Usage(usage) => self.usage = usage.believable(),
                Told::Done => {
                    self.done = true;
                    if !self.begun {
                        return Err(ModelErrorKind::Malformed);
                    }
                }
            }
        }
        self.told = told;
        Ok(())
    }

    async fn take(&mut self, mut text: &str) -> Result<(), ModelErrorKind> {
        self.received_bytes += text.len();
        if self.received_bytes > self.max_bytes {
            return Err(ModelErrorKind::AnswerTooLarge {
                limit: self.max_bytes,
            });
        }
        while !text.is_empty() {
            let (slice, rest) = text.split_at(text.floor_char_boundary(SLICE_BYTES));
            self.received_characters += slice.chars().count() as u64;
            self.filter.push(slice, &mut self.text);
            text = rest;
            self.unyielded += slice.len();
            // A slice that ends with a character may be three bytes short.
            if self.unyielded > SLICE_BYTES - 4 {
                self.unyielded = 0;
                yield_now().await;
            }
        }
        Ok(())
    }
}

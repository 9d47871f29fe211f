//! The log's way through redaction.
//!
//! The log begins before the rules of redaction are there, and before any key was handed out; what
//! is written until then has passed `config`'s own masks.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use crate::{
    guard::redaction::{Direction, Redactor},
    telemetry::LineFilter,
};

/// Cleans lines of the log as soon as it can.
#[derive(Default)]
pub(super) struct LogFilter(OnceLock<Arc<Redactor>>);

impl LogFilter {
    /// From here on lines pass `redactor`.
    pub(super) fn pass_through(&self, redactor: Arc<Redactor>) {
        // Set once in the life of a process.
        let _already_set = self.0.set(redactor);
    }
}

impl LineFilter for LogFilter {
    fn clean<'l>(&self, line: &'l str) -> Cow<'l, str> {
        match self.0.get() {
            Some(redactor) => redactor.text(Direction::Log, line).text,
            None => Cow::Borrowed(line),
        }
    }
}

//! What every place that keeps records has in common.
//!
//! A sink is driven by a thread of its own, so it may block: a slow one delays nobody else. It
//! never sees a record that was not ordered before it got there.

use std::{sync::Arc, time::Duration};

use super::Record;

/// A place that keeps records.
pub trait Sink: Send {
    /// Which kind of place it is, for logs: `file`, `http` …
    fn name(&self) -> &'static str;

    /// Keeps the records of `batch`, in their order, and returns when they are kept as durably as
    /// the sink's settings promise.
    ///
    /// # Errors
    /// Not all of them are kept; the caller takes none for kept.
    fn write(&mut self, batch: &[Arc<Record>]) -> Result<(), SinkError>;

    /// Does what is due by the clock rather than by a record, and says in how long it wants to be
    /// asked again if no record comes before; `None`: not until then. It is asked after each
    /// batch.
    fn tend(&mut self) -> Option<Duration> {
        None
    }

    /// Does what is left to do when no more records will come.
    fn close(&mut self) {}
}

/// Why a sink did not keep a batch, in words for the operator: it may name a path or a host, never
/// a key or what a record says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

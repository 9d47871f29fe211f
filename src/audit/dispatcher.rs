//! The way of a record to the sinks: one order for all of them, a queue for each, and the answer
//! that somebody waits for.
//!
//! A record is kept once *one* sink has kept it. Every sink has a thread and a queue of its own,
//! so that a stuck one costs its own records and nobody's time; it may never hold up the caller,
//! who only ever waits for the deadline.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    OnFailure, Record, Sink, bounds,
    lane::{self, Lane},
};

/// Takes records and answers for them.
#[derive(Debug)]
pub struct Audit {
    /// `None`: there is no audit.
    dispatch: Option<Dispatch>,
}

#[derive(Debug)]
struct Dispatch {
    instance: String,
    /// Empty once closed. Whoever holds it decides the order of records, for every sink alike.
    lanes: Mutex<Vec<Lane>>,
    terms: Arc<Terms>,
}

/// What becomes of a record that is not kept.
#[derive(Debug)]
struct Terms {
    on_failure: OnFailure,
    deadline: Duration,
    /// Whether the last record that was waited for was not kept: a change is logged once.
    is_failing: AtomicBool,
}

/// A record that is on its way. It goes on without whoever waits for it.
#[derive(Debug)]
#[must_use = "what must not happen unrecorded waits for `kept`"]
pub struct Pending(Option<Waiting>);

#[derive(Debug)]
struct Waiting {
    kept: oneshot::Receiver<()>,
    until: Instant,
    terms: Arc<Terms>,
}

/// A record was not kept, so that what it tells of must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// No sink could keep it.
    #[error("no place that keeps audit records could take it")]
    Failed,
    /// No sink kept it in time.
    #[error("no place that keeps audit records took it in time")]
    TimedOut,
}

impl Audit {
    /// No audit: every record is taken and forgotten. For a configuration without one.
    #[must_use]
    pub fn off() -> Self {
        Self { dispatch: None }
    }

    /// Whether records are kept at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.dispatch.is_some()
    }

    /// Starts a thread for each of `sinks`. `deadline` is how long a record may take to be kept.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn new(
        sinks: Vec<Box<dyn Sink>>,
        on_failure: OnFailure,
        deadline: Duration,
    ) -> io::Result<Self> {
        let instance = uuid::Uuid::new_v4().simple().to_string();
        let instance: String = instance.chars().take(16).collect();
        let lanes: io::Result<_> = sinks
            .into_iter()
            .map(|sink| Lane::start(sink, instance.clone()))
            .collect();
        Ok(Self {
            dispatch: Some(Dispatch {
                instance,
                lanes: Mutex::new(lanes?),
                terms: Arc::new(Terms {
                    on_failure,
                    deadline,
                    is_failing: AtomicBool::new(false),
                }),
            }),
        })
    }

    /// Puts `record` in every sink's queue. Records are kept in the order of these calls.
    pub fn enqueue(&self, mut record: Record) -> Pending {
        let Some(dispatch) = &self.dispatch else {
            return Pending(None);
        };
        record.instance = Some(dispatch.instance.clone());
        let bytes = bounds::cut(&mut record);
        let (entry, kept) = lane::Entry::new(record, bytes);
        let until = Instant::now() + dispatch.terms.deadline;
        let lanes = dispatch.lanes();
        if lanes.is_empty() {
            let event = entry.event();
            tracing::error!(
                event,
                "lost: an audit record that came after the audit's end"
            );
        }
        for lane in lanes.iter() {
            lane.offer(&entry);
        }
        drop(lanes);
        Pending(Some(Waiting {
            kept,
            until,
            terms: Arc::clone(&dispatch.terms),
        }))
    }

    /// Puts `record` in every sink's queue at once, and waits until one has kept it.
    ///
    /// # Errors
    /// [`NotRecorded`], unless failures are only to be warned of.
    pub fn record(
        &self,
        record: Record,
    ) -> impl Future<Output = Result<(), NotRecorded>> + Send + use<> {
        self.enqueue(record).kept()
    }

    /// Ends the sinks' threads once they have kept what is queued, or when the deadline has
    /// passed. A record that comes later is not kept.
    pub async fn close(&self) {
        let Some(dispatch) = &self.dispatch else {
            return;
        };
        let lanes = std::mem::take(&mut *dispatch.lanes());
        let until = Instant::now() + dispatch.terms.deadline;
        // All are told to end before any is waited for.
        let ending: Vec<_> = lanes.into_iter().map(Lane::end).collect();
        for (name, ended) in ending {
            if timeout_at(until, ended).await.is_err() {
                tracing::error!(
                    sink = name,
                    "the audit sink did not end in time: records are lost"
                );
            }
        }
    }
}

impl Dispatch {
    fn lanes(&self) -> std::sync::MutexGuard<'_, Vec<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Waits until one sink has kept the record.
    ///
    /// # Errors
    /// [`NotRecorded`], unless failures are only to be warned of.
    pub async fn kept(self) -> Result<(), NotRecorded> {
        let Some(Waiting { kept, until, terms }) = self.0 else {
            return Ok(());
        };
        let result = match timeout_at(until, kept).await {
            Ok(Ok(())) => Ok(()),
            // Every sink dropped its end.
            Ok(Err(_)) => Err(NotRecorded::Failed),
            Err(_) => Err(NotRecorded::TimedOut),
        };
        terms.judge(result)
    }
}

impl Terms {
    fn judge(&self, result: Result<(), NotRecorded>) -> Result<(), NotRecorded> {
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match (result, self.on_failure) {
            (Ok(()), _) => {
                if was_failing {
                    tracing::info!("audit records are kept again");
                }
                Ok(())
            }
            (Err(error), OnFailure::Block) => {
                if !was_failing {
                    tracing::error!(%error, "an audit record was not kept: calls are refused");
                }
                Err(error)
            }
            (Err(error), OnFailure::Warn) => {
                if !was_failing {
                    tracing::error!(
                        %error,
                        "an audit record was not kept: calls go on without, as \
                         `audit.on_failure: warn` says"
                    );
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;

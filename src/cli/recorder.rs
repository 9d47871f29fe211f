//! What becomes of everything that the broker tells: it is counted, and it is kept in the audit.
//!
//! The audit is opened after the broker is built, because it asks the broker for keys of its own;
//! until then, and for commands that open none, uses of secrets are counted alone.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;

use crate::{
    audit::{Audit, Event, Record, RecordedPrincipal, RecordedSecret},
    guard::redaction::{Direction, Redactor},
    secrets::{
        BreakerState, Consumer, NotRecorded, SecretEvent, SecretMetrics, SecretOutcome,
        SecretRecorder, Upkeep,
    },
};

/// The recorder of the process.
pub(super) struct Recorder {
    metrics: SecretMetrics,
    kept: OnceLock<Kept>,
}

/// Where uses are kept, and what takes out of them what must not be.
struct Kept {
    audit: Arc<Audit>,
    redactor: Arc<Redactor>,
}

impl Recorder {
    pub(super) fn new(metrics: SecretMetrics) -> Self {
        Self {
            metrics,
            kept: OnceLock::new(),
        }
    }

    /// From here on uses are kept in `audit`, as far as `redactor` lets them.
    pub(super) fn keep_in(&self, audit: Arc<Audit>, redactor: Arc<Redactor>) {
        // Opened once in the life of a process.
        let _already_open = self.kept.set(Kept { audit, redactor });
    }
}

impl SecretRecorder for Recorder {
    fn record<'a>(&'a self, event: &'a SecretEvent<'a>) -> BoxFuture<'a, Result<(), NotRecorded>> {
        Box::pin(async move {
            self.metrics.record(event).await?;
            let Some(Kept { audit, redactor }) = self.kept.get().filter(|kept| kept.audit.is_on())
            else {
                return Ok(());
            };
            if *event.consumer == Consumer::Audit {
                // The audit cannot wait for itself.
                tracing::info!(
                    secret = %event.name,
                    outcome = event.outcome.label(),
                    version = event.version,
                    "the audit used a secret"
                );
                return Ok(());
            }
            audit
                .record(record(event, redactor))
                .await
                .map_err(|_| NotRecorded)
        })
    }

    fn breaker_changed(&self, provider: &'static str, state: BreakerState) {
        self.metrics.breaker_changed(provider, state);
    }

    fn upkeep(&self, provider: &'static str, upkeep: Upkeep) {
        self.metrics.upkeep(provider, upkeep);
    }
}

fn record(event: &SecretEvent<'_>, redactor: &Redactor) -> Record {
    let mut record = Record::new(Event::SecretUsed);
    record.request_id = Some(event.asker.request_id.clone());
    record.tool = Some(event.asker.tool.clone());
    record.principal = Some(RecordedPrincipal {
        id: event.asker.principal.clone(),
        kind: None,
        groups: Vec::new(),
    });
    record.secret = Some(RecordedSecret {
        name: event.name.to_string(),
        consumer: event.consumer.label().to_owned(),
        provider: event.provider.map(str::to_owned),
        version: event.version.map(str::to_owned),
    });
    record.outcome = Some(event.outcome.label());
    record.duration_us = Some(u64::try_from(event.latency.as_micros()).unwrap_or(u64::MAX));
    if matches!(
        event.outcome,
        SecretOutcome::Failed | SecretOutcome::NotAllowed
    ) {
        // Why, in the operator's words: they name places and never values, and are searched for
        // them all the same.
        let cleaned = |error| redactor.text(Direction::Audit, error).text.into_owned();
        record.detail = event.error.map(cleaned);
    }
    record
}

//! The sink itself: newline-delimited JSON in the body of a POST.
//!
//! Any status of success means that the records are kept, and the answer's body is not looked at:
//! a receiver that answers before it has stored what it got is not told apart from one that has.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::HttpSinkSettings;
use crate::audit::{
    Record, Sink, SinkError,
    sinks::{
        Credential, Seal,
        collector::{Collector, MAX_BATCH_BYTES},
        deadline::Deadline,
        seal::lines,
    },
};

/// Posts each batch as lines of JSON. It is kept when the receiver answers with a 2xx.
pub struct HttpSink<S> {
    collector: Collector,
    deadline: Duration,
    chain: S,
}

impl<S: Seal> HttpSink<S> {
    /// The sink of `settings`, which sends what `credential` gives. Nothing is done before the
    /// first batch.
    ///
    /// # Errors
    /// [`HttpSinkSettings::validate`] refuses the settings.
    pub fn new(
        settings: &HttpSinkSettings,
        chain: S,
        credential: Option<Arc<dyn Credential>>,
        runtime: Handle,
    ) -> Result<Self, SinkError> {
        let address = settings.address();
        let url = address
            .url()
            .map_err(|refusal| SinkError(format!("the http sink: {}", refusal.message)))?;
        // <https://github.com/ndjson/ndjson-spec>; there is no registered type for it.
        let content_type = "application/x-ndjson";
        Ok(Self {
            collector: Collector::new(url, address.ca_file, content_type, credential, runtime),
            deadline: settings.deadline,
            chain,
        })
    }
}

impl<S: Seal> Sink for HttpSink<S> {
    fn name(&self) -> &'static str {
        "http"
    }

    fn write(&mut self, batch: &[Arc<Record>]) -> Result<(), SinkError> {
        let deadline = Deadline::new(self.deadline);
        let mut rest = batch;
        while !rest.is_empty() {
            let mut chain = self.chain.clone();
            let lines = lines(&mut chain, rest, MAX_BATCH_BYTES)?;
            let body = Bytes::from(lines.join("\n") + "\n");
            self.collector.post(&body, &deadline, async |_| Ok(()))?;
            self.chain = chain;
            rest = rest.get(lines.len()..).unwrap_or_default();
        }
        Ok(())
    }
}

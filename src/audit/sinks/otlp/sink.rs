//! The sink itself: one log record a record, a batch a request, and nothing kept that the
//! collector does not say it has taken.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::{OtlpSettings, answer::judge, encoding::ExportLogsServiceRequest};
use crate::audit::{
    Record, Sink, SinkError,
    sinks::{
        Credential, Seal,
        collector::{Collector, MAX_BATCH_BYTES, answer},
        deadline::Deadline,
        seal::lines,
    },
};

/// Sends each batch as OTLP logs. It is kept when the collector answers that it rejected none.
pub struct OtlpSink<S> {
    collector: Collector,
    deadline: Duration,
    chain: S,
}

impl<S: Seal> OtlpSink<S> {
    /// The sink of `settings`, which sends what `credential` gives. Nothing is done before the
    /// first batch.
    ///
    /// # Errors
    /// [`OtlpSettings::validate`] refuses the settings.
    pub fn new(
        settings: &OtlpSettings,
        chain: S,
        credential: Option<Arc<dyn Credential>>,
        runtime: Handle,
    ) -> Result<Self, SinkError> {
        let url = settings
            .url()
            .map_err(|refusal| SinkError(format!("the otlp sink: {}", refusal.message)))?;
        let ca_file = settings.ca_file.as_deref();
        Ok(Self {
            collector: Collector::new(url, ca_file, "application/json", credential, runtime),
            deadline: settings.deadline,
            chain,
        })
    }
}

impl<S: Seal> Sink for OtlpSink<S> {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn write(&mut self, batch: &[Arc<Record>]) -> Result<(), SinkError> {
        let deadline = Deadline::new(self.deadline);
        let mut rest = batch;
        while !rest.is_empty() {
            let mut chain = self.chain.clone();
            let lines = lines(&mut chain, rest, MAX_BATCH_BYTES)?;
            let records = rest.iter().map(Arc::as_ref);
            let request =
                ExportLogsServiceRequest::new(records.zip(lines.iter().map(String::as_str)));
            let body = serde_json::to_vec(&request)
                .map(Bytes::from)
                .map_err(|_| SinkError("a record has no form in OTLP".to_owned()))?;
            let taken = async |response| judge(&answer(response).await?);
            self.collector.post(&body, &deadline, taken)?;
            self.chain = chain;
            rest = rest.get(lines.len()..).unwrap_or_default();
        }
        Ok(())
    }
}

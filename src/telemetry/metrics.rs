//! The registry of metrics: what the rooms count, as text for whoever scrapes it.
//!
//! Written in OpenMetrics' text format (https://prometheus.io/docs/specs/om/open_metrics_spec/).
//! Each room registers its own; this one knows none of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::{encoding::text::encode, registry::Registry};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is counted since the process started.
pub struct Metrics(Mutex<Registry>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Mutex::new(Registry::with_prefix("keyward")))
    }
}

impl Metrics {
    /// Lets a room register what it counts. Labels must be names from the configuration or words
    /// from closed lists, so that their number is bounded by what an operator wrote.
    pub fn register(&self, registration: impl FnOnce(&mut Registry)) {
        registration(&mut self.registry());
    }

    /// All of it, as text of [`MEDIA_TYPE`].
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _written = encode(&mut text, &self.registry());
        text
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

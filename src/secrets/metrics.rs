//! What is counted of secrets: how often they were asked for, how that ended, how long stores took,
//! and which of them are left alone.
//!
//! A label is a name from the configuration or a word from a closed list; a principal, a request or
//! a version is never one.

use std::future::ready;

use futures_util::future::BoxFuture;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use super::{BreakerState, NotRecorded, SecretEvent, SecretOutcome, SecretRecorder, Upkeep};
use crate::telemetry::Metrics;

/// Upper bounds of the latency histogram, in seconds: a variable takes microseconds, a store that
/// is about to time out ten seconds.
const LATENCIES: [f64; 10] = [
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0, 10.0,
];

/// Counts what the broker tells.
#[derive(Clone)]
pub struct SecretMetrics {
    requests: Family<RequestLabels, Counter>,
    latency: Family<ProviderLabel, Histogram, fn() -> Histogram>,
    breakers: Family<ProviderLabel, Gauge>,
    upkeep: Family<UpkeepLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    secret: String,
    provider: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabel {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpkeepLabels {
    provider: &'static str,
    event: &'static str,
}

impl SecretMetrics {
    /// Registers what will be counted.
    #[must_use]
    pub fn register(metrics: &Metrics) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(LATENCIES);
        let counted = Self {
            requests: Family::default(),
            latency: Family::new_with_constructor(histogram),
            breakers: Family::default(),
            upkeep: Family::default(),
        };
        let Self {
            requests,
            latency,
            breakers,
            upkeep,
        } = counted.clone();
        metrics.register(|registry| {
            registry.register(
                "secret_requests",
                "Questions for a secret, by how they ended",
                requests,
            );
            registry.register(
                "secret_fetch_seconds",
                "From the question to the store's answer, for secrets that were not kept",
                latency,
            );
            registry.register(
                "secret_provider_breaker",
                "Whether a secret provider is asked (0), tried by one fetch (1) or left alone (2)",
                breakers,
            );
            registry.register(
                "secret_provider_upkeep",
                "Logins, renewals, leases and revocations at a secret provider",
                upkeep,
            );
        });
        counted
    }
}

impl SecretMetrics {
    fn count(&self, event: &SecretEvent<'_>) {
        let provider = event.provider.unwrap_or("none").to_owned();
        if matches!(
            event.outcome,
            SecretOutcome::Fetched
                | SecretOutcome::Refreshed
                | SecretOutcome::Rotated
                | SecretOutcome::Failed
        ) {
            let label = ProviderLabel {
                provider: provider.clone(),
            };
            let latency = self.latency.get_or_create(&label);
            latency.observe(event.latency.as_secs_f64());
        }
        let labels = RequestLabels {
            secret: event.name.to_string(),
            provider,
            outcome: event.outcome.label(),
        };
        self.requests.get_or_create(&labels).inc();
    }
}

impl SecretRecorder for SecretMetrics {
    fn record<'a>(&'a self, event: &'a SecretEvent<'a>) -> BoxFuture<'a, Result<(), NotRecorded>> {
        self.count(event);
        Box::pin(ready(Ok(())))
    }

    fn breaker_changed(&self, provider: &'static str, state: BreakerState) {
        let label = ProviderLabel {
            provider: provider.to_owned(),
        };
        self.breakers.get_or_create(&label).set(match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        });
    }

    fn upkeep(&self, provider: &'static str, upkeep: Upkeep) {
        let event = upkeep.label();
        let labels = UpkeepLabels { provider, event };
        self.upkeep.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{call::CallIdentity, secrets::Consumer};

    #[test]
    fn labels_name_what_was_configured_and_never_who_asked() {
        let all = Metrics::default();
        let metrics = SecretMetrics::register(&all);
        let asker = CallIdentity {
            request_id: "request-canary".into(),
            tool: "chat".into(),
            principal: "principal-canary".into(),
        };
        for outcome in [SecretOutcome::Fetched, SecretOutcome::Hit] {
            let event = SecretEvent {
                asker: &asker,
                consumer: &Consumer::ModelProvider("openai".into()),
                name: &"team/openai".parse().unwrap(),
                outcome,
                provider: Some("vault"),
                version: Some("version-canary"),
                latency: Duration::from_millis(3),
                error: Some("error-canary"),
            };
            metrics.count(&event);
        }
        metrics.breaker_changed("vault", BreakerState::Open);
        metrics.upkeep("vault", Upkeep::TokenRenewed);
        let text = all.text();
        assert!(!text.contains("canary"), "{text}");
        for line in [
            "keyward_secret_requests_total{secret=\"team/openai\",provider=\"vault\",outcome=\"fetched\"} 1",
            "keyward_secret_requests_total{secret=\"team/openai\",provider=\"vault\",outcome=\"hit\"} 1",
            "keyward_secret_fetch_seconds_count{provider=\"vault\"} 1",
            "keyward_secret_provider_breaker{provider=\"vault\"} 2",
            "keyward_secret_provider_upkeep_total{provider=\"vault\",event=\"token_renewed\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in\n{text}");
        }
    }
}

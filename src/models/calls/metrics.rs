//! What is counted of calls to models: how they ended, how long they took, what they used.
//!
//! A label is a name from the configuration or a word from a closed list.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};

use crate::{
    models::{Completion, ModelError},
    telemetry::Metrics,
};

/// Upper bounds of the duration's histogram, in seconds.
const DURATIONS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Counts what calls to models tell.
#[derive(Clone)]
pub struct ModelMetrics {
    calls: Family<CallLabels, Counter>,
    duration: Family<ModelLabels, Histogram, fn() -> Histogram>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<ModelLabels, Counter<f64, AtomicU64>>,
    hedges: Family<ModelLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    provider: String,
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: String,
    model: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    provider: String,
    model: String,
    kind: &'static str,
}

impl Default for ModelMetrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(DURATIONS);
        Self {
            calls: Family::default(),
            duration: Family::new_with_constructor(histogram),
            tokens: Family::default(),
            cost: Family::default(),
            hedges: Family::default(),
        }
    }
}

impl ModelMetrics {
    /// Registers what will be counted.
    #[must_use]
    pub fn register(metrics: &Metrics) -> Self {
        let counted = Self::default();
        let Self {
            calls,
            duration,
            tokens,
            cost,
            hedges,
        } = counted.clone();
        metrics.register(|registry| {
            registry.register("model_calls", "Calls to models, by how they ended", calls);
            registry.register(
                "model_call_seconds",
                "From the call to its end, waiting for a turn and tries included",
                duration,
            );
            registry.register("model_tokens", "Tokens, as vendors counted them", tokens);
            registry.register(
                "model_hedges",
                "Second requests beside one that was slow to begin",
                hedges,
            );
            registry.register(
                "model_cost_usd",
                "What calls cost by list price, as far as prices are known",
                cost,
            );
        });
        counted
    }

    pub(super) fn count_hedge(&self, provider: &str, model: &str) {
        let (provider, model) = (provider.to_owned(), model.to_owned());
        self.hedges
            .get_or_create(&ModelLabels { provider, model })
            .inc();
    }

    pub(super) fn count(
        &self,
        provider: &str,
        model: &str,
        answer: &Result<Completion, ModelError>,
        took: Duration,
    ) {
        let (provider, model) = (provider.to_owned(), model.to_owned());
        let labels = ModelLabels {
            provider: provider.clone(),
            model: model.clone(),
        };
        let call = CallLabels {
            provider: provider.clone(),
            model: model.clone(),
            outcome: answer
                .as_ref()
                .map_or_else(ModelError::code, |_| "answered"),
        };
        self.calls.get_or_create(&call).inc();
        self.duration
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        let Ok(completion) = answer else {
            return;
        };
        for (kind, tokens) in completion.usage.iter().flat_map(|usage| {
            [
                ("input", usage.input_tokens),
                ("output", usage.output_tokens),
                ("cached_input", usage.cached_input_tokens.unwrap_or(0)),
                ("reasoning", usage.reasoning_tokens.unwrap_or(0)),
            ]
        }) {
            let labels = TokenLabels {
                provider: provider.clone(),
                model: model.clone(),
                kind,
            };
            self.tokens.get_or_create(&labels).inc_by(tokens);
        }
        if let Some(cost) = completion.cost {
            self.cost.get_or_create(&labels).inc_by(cost.usd());
        }
    }
}

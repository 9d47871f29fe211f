//! stub
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    call::CallContext,
    models::{
        Completion, CompletionRequest, ModelError, ModelErrorKind, ModelFacts, ModelProvider,
        ProviderConfig,
    },
    secrets::{Broker, SecretName},
};

/// A configured endpoint that speaks chat/completions.
pub struct OpenAiProvider {
    config: ProviderConfig,
    keys: Arc<Broker>,
}

impl OpenAiProvider {
    /// The provider of `config`, with keys from `keys`. Does no I/O.
    #[must_use]
    pub fn new(config: ProviderConfig, keys: Arc<Broker>) -> Self {
        Self { config, keys }
    }
}

impl ModelProvider for OpenAiProvider {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn models(&self) -> &[ModelFacts] {
        &self.config.models
    }

    fn secret(&self) -> Option<&SecretName> {
        self.config.secret.as_ref()
    }

    fn complete<'a>(
        &'a self,
        _request: &'a CompletionRequest,
        _cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<Completion, ModelError>> {
        let _ = &self.keys;
        Box::pin(async { Err(ModelError::new(ModelErrorKind::Malformed)) })
    }
}

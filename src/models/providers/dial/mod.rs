//! EPAM's AI DIAL: chat/completions by deployment, with a key in a header of its own.
//!
//! The body and the answer are those of chat/completions. DIAL's own refusals are plain text, which
//! is passed over: their status says enough. Source: docs of epam/ai-dial-core.

use reqwest::{Url, header::HeaderName};

use super::{
    http::{Asked, KeyHeader, Reader, Refused, Wire, deployment},
    openai::{self, ChatReader},
};
use crate::models::{ModelErrorKind, ModelFacts, ProviderConfig};

/// What DIAL hands to what stands behind it where the settings say nothing.
const API_VERSION: &str = "2024-10-21";

/// Chat/completions of a deployment.
pub(super) struct Dial;

impl Wire for Dial {
    fn url(&self, config: &ProviderConfig, model: &ModelFacts) -> Option<Url> {
        let version = config.api_version.as_deref().unwrap_or(API_VERSION);
        deployment(&config.base_url, &model.name, version)
    }

    fn key_header(&self, config: &ProviderConfig) -> KeyHeader {
        if config.bearer_token {
            return KeyHeader::Bearer;
        }
        KeyHeader::Named(HeaderName::from_static("api-key"))
    }

    fn body(&self, asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
        openai::body(asked)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::<ChatReader>::default()
    }

    fn refusal(&self, refused: &Refused<'_>) -> ModelErrorKind {
        openai::kind(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::providers::http::trial::config;

    #[test]
    fn a_deployment_is_one_step_of_the_address() {
        let mut config = config("openai", |_| {});
        config.base_url = "https://dial.example".parse().unwrap();
        let url = |config: &ProviderConfig, name: &str| {
            String::from(Dial.url(config, &ModelFacts::named(name)).unwrap())
        };
        assert_eq!(
            url(&config, "gpt-5"),
            "https://dial.example/openai/deployments/gpt-5/chat/completions?api-version=2024-10-21"
        );
        config.api_version = Some("2025-01-01-preview".to_owned());
        assert_eq!(
            url(&config, "applications/b/x?y#z"),
            "https://dial.example/openai/deployments/applications%2Fb%2Fx%3Fy%23z/chat/completions\
             ?api-version=2025-01-01-preview"
        );
    }
}

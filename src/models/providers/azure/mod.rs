//! Azure OpenAI: chat/completions by deployment, with a key in a header of its own.
//!
//! With `api_version` the deployment stands in the address, as Azure's dated versions want it;
//! without, the newer v1 endpoint is asked, where it stands in the body as the model. The body and
//! the answer are those of chat/completions; what Azure adds of its content filter is passed over.
//! Source: learn.microsoft.com/azure/foundry/openai/api-version-lifecycle.

use reqwest::{Url, header::HeaderName};

use super::{
    http::{Asked, KeyHeader, Reader, Refused, Wire, below, deployment},
    openai::{self, ChatReader},
};
use crate::models::{ModelErrorKind, ModelFacts, ProviderConfig};

/// Chat/completions of a deployment.
pub(super) struct Azure;

impl Wire for Azure {
    fn url(&self, config: &ProviderConfig, model: &ModelFacts) -> Option<Url> {
        match &config.api_version {
            Some(version) => deployment(&config.base_url, &model.name, version),
            None => below(&config.base_url, "openai/v1/chat/completions"),
        }
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
    use crate::models::providers::http::trial::{config, cut_everywhere};

    #[test]
    fn the_dated_api_is_asked_by_deployment_and_the_newer_by_model() {
        let mut config = config("openai", |_| {});
        config.base_url = "https://team.openai.azure.com".parse().unwrap();
        let url = |config: &ProviderConfig| {
            String::from(Azure.url(config, &ModelFacts::named("my-gpt")).unwrap())
        };
        assert_eq!(
            url(&config),
            "https://team.openai.azure.com/openai/v1/chat/completions"
        );
        config.api_version = Some("2024-10-21".to_owned());
        assert_eq!(
            url(&config),
            "https://team.openai.azure.com/openai/deployments/my-gpt/chat/completions\
             ?api-version=2024-10-21"
        );
    }

    #[test]
    fn what_the_content_filter_adds_to_a_stream_is_passed_over() {
        let recorded = concat!(
            "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}}]}\n\n",
            "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{\"content\":\"\",\"refusal\":null,\"role\":\"assistant\"},\"finish_reason\":null,\"index\":0,\"logprobs\":null}],\"usage\":null,\"obfuscation\":\"ab\"}\n\n",
            "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{\"content\":\"Welt\"},\"finish_reason\":null,\"index\":0}]}\n\n",
            "data: {\"choices\":[{\"content_filter_offsets\":{\"check_offset\":1},\"finish_reason\":null,\"index\":0}]}\n\n",
            "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        );
        let whole = cut_everywhere(&Azure, recorded);
        assert_eq!((whole.text.as_str(), whole.finish_reason), ("Welt", "stop"));
        assert_eq!(whole.usage.unwrap().output_tokens, 2);
    }
}

//! Amazon Bedrock's Converse, streamed in Amazon's own frames, with a Bedrock API key.
//!
//! `request` is the body, `reader` reads what comes back, `refusal` turns an error into ours.
//! Source: docs.aws.amazon.com/bedrock/latest/APIReference (Converse, ConverseStream).

mod reader;
mod refusal;
mod request;

use reqwest::Url;

use self::reader::ConverseReader;
use super::http::{Asked, KeyHeader, Reader, Refused, Wire, below};
use crate::models::{ModelErrorKind, ModelFacts, ProviderConfig};

/// Converse.
pub(super) struct Converse;

impl Wire for Converse {
    fn url(&self, config: &ProviderConfig, model: &ModelFacts) -> Option<Url> {
        let mut url = below(&config.base_url, "model")?;
        // Whatever the name holds, it is one step: it may be an ARN.
        url.path_segments_mut()
            .ok()?
            .push(&model.name)
            .push("converse-stream");
        Some(url)
    }

    fn accepts(&self) -> &'static str {
        "application/vnd.amazon.eventstream, application/json"
    }

    fn key_header(&self, _: &ProviderConfig) -> KeyHeader {
        KeyHeader::Bearer
    }

    fn body(&self, asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
        request::body(asked)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::<ConverseReader>::default()
    }

    fn refusal(&self, refused: &Refused<'_>) -> ModelErrorKind {
        refusal::kind(refused)
    }
}

#[cfg(test)]
mod tests;

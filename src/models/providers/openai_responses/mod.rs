//! OpenAI's Responses API: one turn, nothing stored, streamed.
//!
//! `request` is the body, `reader` reads what comes back. Errors are of the same form as those of
//! chat/completions, and are read there. Sources: developers.openai.com/api/reference/resources/responses,
//! and the types of openai/openai-python.

mod reader;
mod request;

use reqwest::Url;

use self::reader::ResponseReader;
use super::{
    http::{Asked, KeyHeader, Reader, Refused, Wire, below},
    openai,
};
use crate::models::{ModelErrorKind, ModelFacts, ProviderConfig};

/// The Responses API.
pub(super) struct Responses;

impl Wire for Responses {
    fn url(&self, config: &ProviderConfig, _: &ModelFacts) -> Option<Url> {
        below(&config.base_url, "responses")
    }

    fn key_header(&self, _: &ProviderConfig) -> KeyHeader {
        KeyHeader::Bearer
    }

    fn body(&self, asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
        request::body(asked)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::<ResponseReader>::default()
    }

    fn refusal(&self, refused: &Refused<'_>) -> ModelErrorKind {
        openai::kind(refused)
    }
}

#[cfg(test)]
mod tests;

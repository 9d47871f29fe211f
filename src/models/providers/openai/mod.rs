//! OpenAI's chat/completions, and what is compatible with it: streaming, with a bearer token.
//!
//! `request` is the body in the server's dialect, `reader` and `document` read what comes back,
//! `refusal` turns a vendor's error into ours. Vendors that speak this protocol are presets in
//! `config/models/`, not code.

mod document;
mod reader;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

pub(super) use reader::ChatReader;
pub(super) use refusal::{kind, kind_in_answer};
pub(super) use request::{body, effort};

use reqwest::Url;

use super::http::{Asked, KeyHeader, Reader, Refused, Wire, below};
use crate::models::{ModelErrorKind, ModelFacts, ProviderConfig};

/// Chat/completions.
pub(super) struct ChatCompletions;

impl Wire for ChatCompletions {
    fn url(&self, config: &ProviderConfig, _: &ModelFacts) -> Option<Url> {
        below(&config.base_url, "chat/completions")
    }

    fn key_header(&self, _: &ProviderConfig) -> KeyHeader {
        KeyHeader::Bearer
    }

    fn body(&self, asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
        body(asked)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::<ChatReader>::default()
    }

    fn refusal(&self, refused: &Refused<'_>) -> ModelErrorKind {
        kind(refused)
    }
}

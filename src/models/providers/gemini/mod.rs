//! Google's generateContent, streamed.
//!
//! `request` is the body, `reader` reads what comes back, `refusal` turns an error into ours. The
//! key goes in a header and never in the address. Sources: ai.google.dev/api/generate-content, and
//! the types of googleapis/python-genai.

mod reader;
mod refusal;
mod request;

use reqwest::{Url, header::HeaderName};

pub(super) use self::{reader::ContentReader, refusal::kind, request::body};
use super::http::{Asked, KeyHeader, Reader, Refused, Wire, below};
use crate::models::{ModelErrorKind, ModelFacts, ProviderConfig};

/// What follows a model's name in an address: a stream of events.
pub(super) const METHOD: &str = "streamGenerateContent?alt=sse";

/// generateContent of the Gemini API.
pub(super) struct GenerateContent;

impl Wire for GenerateContent {
    fn url(&self, config: &ProviderConfig, model: &ModelFacts) -> Option<Url> {
        let name = model.name.as_str();
        // A name of another form would lead elsewhere.
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '@');
        let is_safe = !name.is_empty() && name.chars().all(is_name) && !name.starts_with('.');
        is_safe.then_some(())?;
        below(&config.base_url, &format!("models/{name}:{METHOD}"))
    }

    fn key_header(&self, _: &ProviderConfig) -> KeyHeader {
        KeyHeader::Named(HeaderName::from_static("x-goog-api-key"))
    }

    fn body(&self, asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
        body(asked)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::<ContentReader>::default()
    }

    fn refusal(&self, refused: &Refused<'_>) -> ModelErrorKind {
        kind(refused)
    }
}

#[cfg(test)]
mod tests;

//! Anthropic's Messages API, streamed.
//!
//! `request` is the body, `reader` reads what comes back, `refusal` turns an error into ours.
//! Sources: platform.claude.com/docs/en/api/messages and /errors, and the types of
//! anthropics/anthropic-sdk-python.

mod reader;
mod refusal;
mod request;

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

pub(super) use self::{
    reader::MessageReader,
    refusal::kind,
    request::{Variant, body},
};
use super::http::{Asked, KeyHeader, Reader, Refused, Wire, below};
use crate::models::{ModelErrorKind, ModelFacts, ProviderConfig};

/// The version of the API. The newer one, 2026-10-21, refuses every temperature, also with models
/// that take one.
const VERSION: &str = "2023-06-01";

/// The Messages API.
pub(super) struct Messages;

impl Wire for Messages {
    fn url(&self, config: &ProviderConfig, _: &ModelFacts) -> Option<Url> {
        below(&config.base_url, "v1/messages")
    }

    fn headers(&self) -> HeaderMap {
        let version = HeaderName::from_static("anthropic-version");
        HeaderMap::from_iter([(version, HeaderValue::from_static(VERSION))])
    }

    fn key_header(&self, _: &ProviderConfig) -> KeyHeader {
        KeyHeader::Named(HeaderName::from_static("x-api-key"))
    }

    fn body(&self, asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
        request::body(asked, Variant::Direct)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::<MessageReader>::default()
    }

    fn refusal(&self, refused: &Refused<'_>) -> ModelErrorKind {
        kind(refused)
    }
}

#[cfg(test)]
mod tests;

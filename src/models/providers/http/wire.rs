//! What a wire protocol says of itself, so that one way of calling serves them all.
//!
//! A protocol is a value without state; what it reads of one answer is a [`Reader`], new for each.

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName},
};

use super::Refused;
use crate::models::{CompletionRequest, ModelErrorKind, ModelFacts, ProviderConfig, Usage};

/// One wire protocol.
pub trait Wire: Send + Sync {
    /// Where a request to `model` goes. `None`: the settings make no address of it.
    fn url(&self, config: &ProviderConfig, model: &ModelFacts) -> Option<Url>;

    /// What goes along besides the body and the key.
    fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    /// The media types in which an answer may come.
    fn accepts(&self) -> &'static str {
        "text/event-stream, application/json"
    }

    /// The header that carries the key.
    fn key_header(&self, config: &ProviderConfig) -> KeyHeader;

    /// The body of a request.
    ///
    /// # Errors
    /// What the protocol cannot say.
    fn body(&self, asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind>;

    /// Reads one answer.
    fn reader(&self) -> Box<dyn Reader>;

    /// The kind of a request that was refused.
    fn refusal(&self, refused: &Refused<'_>) -> ModelErrorKind;
}

/// A request to one model of one provider.
pub struct Asked<'a> {
    pub(in crate::models::providers) request: &'a CompletionRequest,
    pub(in crate::models::providers) model: &'a ModelFacts,
    pub(in crate::models::providers) config: &'a ProviderConfig,
}

/// How a key is carried.
#[derive(Debug, Clone)]
pub enum KeyHeader {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// A header of the vendor's own, with the key alone.
    Named(HeaderName),
}

/// Reads what a vendor sends of one answer. It builds nothing that is larger than what it is given.
pub trait Reader: Send + Sync {
    /// Takes one event of a stream, and adds to `told` what it says.
    ///
    /// # Errors
    /// The vendor's error, or that this is not its protocol.
    fn event(&mut self, name: &str, data: &str, told: &mut Vec<Told>)
    -> Result<(), ModelErrorKind>;

    /// Takes a whole answer, where a server sent one although a stream was asked for.
    ///
    /// # Errors
    /// As for an event.
    fn document(&mut self, json: &[u8], told: &mut Vec<Told>) -> Result<(), ModelErrorKind>;
}

/// What an event or a document said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The answer has begun.
    Begun,
    /// More of its text.
    Text(String),
    /// Why it ended: a word of [`Completion::finish_reason`](crate::models::Completion).
    Finish(&'static str),
    /// What was counted, in place of what was counted before.
    Usage(Usage),
    /// Nothing more is to be expected.
    Done,
}

/// The address below `base`, whose last `/` does not count.
pub(in crate::models::providers) fn below(base: &Url, path: &str) -> Option<Url> {
    Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/'))).ok()
}

/// The address of a deployment, in the form that Azure gave it, which DIAL took over.
pub(in crate::models::providers) fn deployment(
    base: &Url,
    name: &str,
    api_version: &str,
) -> Option<Url> {
    let mut url = below(base, "openai/deployments")?;
    // Whatever the name holds, it is one step.
    url.path_segments_mut()
        .ok()?
        .push(name)
        .extend(["chat", "completions"]);
    url.query_pairs_mut()
        .append_pair("api-version", api_version);
    Some(url)
}

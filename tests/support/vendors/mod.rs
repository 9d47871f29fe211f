//! Stand-ins for vendors' own protocols, each written from its vendor's documentation: they refuse
//! what the vendor would refuse, in its words, and stream as it does.
//!
//! `upstream` serves them, and records, holds and scripts what they get.

mod anthropic;
mod azure;
mod bedrock;
mod gemini;
mod responses;

use axum::response::Response;
use serde_json::Value;

use super::upstream::Seen;

/// A vendor's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
    /// Azure OpenAI by deployment.
    Azure,
    /// EPAM's DIAL.
    Dial,
    /// Vertex AI with Gemini.
    Vertex,
    /// Bedrock's ConverseStream.
    Bedrock,
}

impl Vendor {
    pub const ALL: [Self; 7] = [
        Self::Responses,
        Self::Anthropic,
        Self::Gemini,
        Self::Azure,
        Self::Dial,
        Self::Vertex,
        Self::Bedrock,
    ];

    /// The name of the protocol in a configuration.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Responses => "openai-responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Azure => "azure",
            Self::Dial => "dial",
            Self::Vertex => "vertex",
            Self::Bedrock => "bedrock",
        }
    }

    /// What a provider's settings say besides protocol, address, key and models.
    pub fn settings(self) -> &'static str {
        match self {
            Self::Azure => "api_version: \"2024-10-21\"",
            Self::Vertex => "project: team-a\n      region: global",
            Self::Bedrock => "region: eu-central-1",
            _ => "headers: {}",
        }
    }

    /// What stands behind the host in `base_url`.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::Responses => "/v1",
            Self::Gemini => "/v1beta",
            _ => "",
        }
    }

    /// The header that carries the key, and what stands before it.
    pub fn key_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Responses | Self::Vertex | Self::Bedrock => ("authorization", "Bearer "),
            Self::Anthropic => ("x-api-key", ""),
            Self::Gemini => ("x-goog-api-key", ""),
            Self::Azure | Self::Dial => ("api-key", ""),
        }
    }

    /// Headers that belong to the protocol, besides those of every request and the key's.
    pub fn own_headers(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["anthropic-version"],
            _ => &[],
        }
    }

    pub(super) fn refuse_key(self, shown: &str) -> Response {
        match self {
            Self::Responses => responses::refuse_key(shown),
            Self::Anthropic => anthropic::refuse_key(shown),
            Self::Gemini => gemini::refuse_key(shown),
            Self::Azure => azure::refuse_key(shown),
            Self::Dial => azure::refuse_dial_key(shown),
            Self::Vertex => gemini::refuse_token(shown),
            Self::Bedrock => bedrock::refuse_key(shown),
        }
    }

    /// What the vendor would say against a request with a right key.
    pub fn refuse(self, seen: &Seen) -> Option<Response> {
        match self {
            Self::Responses => responses::refuse(seen),
            Self::Anthropic => anthropic::refuse(seen),
            Self::Gemini => gemini::refuse(seen, gemini::API),
            Self::Vertex => gemini::refuse(seen, gemini::VERTEX),
            Self::Azure => azure::refuse(seen, "2024-10-21"),
            Self::Dial => azure::refuse(seen, "2024-10-21"),
            Self::Bedrock => bedrock::refuse(seen),
        }
    }

    /// Its answer.
    pub fn answer(self, text: &str) -> Response {
        match self {
            Self::Responses => responses::answer(text),
            Self::Anthropic => anthropic::answer(text),
            Self::Gemini | Self::Vertex => gemini::answer(text),
            Self::Azure | Self::Dial => azure::answer(text),
            Self::Bedrock => bedrock::answer(text),
        }
    }
}

/// The first field of `object` that is none of `known`, or null.
fn stranger<'a>(object: &'a Value, known: &[&str]) -> Option<&'a str> {
    let fields = object.as_object()?.iter();
    let mut wrong =
        fields.filter(|(name, value)| !known.contains(&name.as_str()) || value.is_null());
    wrong.next().map(|(name, _)| name.as_str())
}

/// Whether every item of a list passes, and there is one.
fn all(list: &Value, passes: impl Fn(&Value) -> bool) -> bool {
    list.as_array()
        .is_some_and(|items| !items.is_empty() && items.iter().all(passes))
}

//! Model providers: one folder per wire protocol. Vendors that speak one of them are presets in
//! `config/models/`, not code.

mod anthropic;
mod azure;
#[cfg(feature = "bedrock")]
mod bedrock;
mod dial;
// Compiled with the tests too, so that it does not fall behind.
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod gemini;
mod http;
mod openai;
mod openai_responses;
mod vertex;

use std::sync::{Arc, LazyLock};

use self::http::{HttpProvider, Wire};
pub(super) use self::vertex::host as vertex_host;
use super::{ModelProvider, Protocol, ProviderConfig};
use crate::secrets::Binding;

/// A protocol's name in configuration, and how it is spoken.
type Entry = (&'static str, fn() -> Box<dyn Wire>);

/// Every wire protocol.
const PROTOCOLS: &[Entry] = &[
    ("openai", || Box::new(openai::ChatCompletions)),
    ("openai-responses", || Box::new(openai_responses::Responses)),
    ("anthropic", || Box::new(anthropic::Messages)),
    ("gemini", || Box::new(gemini::GenerateContent)),
    ("azure", || Box::new(azure::Azure)),
    ("vertex", || Box::new(vertex::Vertex)),
    #[cfg(feature = "bedrock")]
    ("bedrock", || Box::new(bedrock::Converse)),
    ("dial", || Box::new(dial::Dial)),
];

/// The names of the protocols.
pub(super) fn protocols() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| PROTOCOLS.iter().map(|(name, _)| *name).collect());
    &NAMES
}

/// The secrets of one provider that may be used.
#[derive(Default)]
pub struct Keys {
    /// What a request carries.
    pub key: Option<Binding>,
    /// The private key of the client certificate.
    pub client_key: Option<Binding>,
}

/// The provider of `config`, with the use of `keys`. Does no I/O.
pub(super) fn build(config: ProviderConfig, keys: Keys) -> Arc<dyn ModelProvider> {
    let wire = wire(config.protocol);
    Arc::new(HttpProvider::new(config, wire, keys))
}

fn wire(protocol: Protocol) -> Box<dyn Wire> {
    let named = PROTOCOLS.iter().find(|(name, _)| *name == protocol.name());
    // A protocol is made of this list alone.
    let (_, wire) = named.unwrap_or(&PROTOCOLS[0]);
    wire()
}

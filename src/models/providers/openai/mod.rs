//! The OpenAI-compatible provider: streaming chat/completions over HTTP.
//!
//! `provider` is the call from start to end; `client` makes the connection, `request` the body
//! and the header that carries the key, `stream` and `answer` read what comes back, `refusal`
//! turns a vendor's error into ours. A vendor's own words go no further than this folder, except
//! as an answer's text that has passed the filter for this call's key.

mod answer;
mod client;
mod provider;
mod refusal;
mod request;
mod stream;
#[cfg(test)]
mod tests;

pub use provider::OpenAiProvider;

//! What every wire protocol over HTTP has in common: one call from the key to the whole answer.
//!
//! `provider` is the call from start to end; `client` makes the connection, `key` the header that
//! carries the key, `stream` and `answer` read what comes back, `check` refuses what a model is
//! known not to take. What differs from vendor to vendor is behind [`Wire`]: where a request goes,
//! what its body is, how an answer and an error are read. A vendor's own words go no further than
//! these folders, except as an answer's text that has passed the filter for this call's key.

mod answer;
mod broken;
mod check;
mod client;
mod key;
mod lenient;
mod provider;
mod refusal;
mod stream;
mod wire;

pub(super) use lenient::{Few, Lenient};
pub use provider::HttpProvider;
pub(super) use refusal::{Refused, error_in_answer, number_after};
pub(super) use wire::{Asked, KeyHeader, Reader, Told, Wire, below, deployment};

// Compiled with the tests too, so that it does not fall behind.
#[cfg(any(fuzzing, test))]
pub(super) use self::{
    answer::Answer,
    stream::{events, framing},
};
#[cfg(test)]
pub(super) mod trial;

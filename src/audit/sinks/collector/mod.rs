//! Receivers of records over HTTP: what the sinks that post batches have in common.
//!
//! Which address may be written to, with which credential, when a refused batch is tried again
//! and how long. What a batch looks like and what an answer means is each sink's own.

mod address;
mod client;
mod credential;
mod retry;

#[cfg(test)]
mod tests;

pub(in crate::audit::sinks) use address::{Address, Refusal};
pub(in crate::audit::sinks) use client::{Collector, MAX_BATCH_BYTES, answer};
pub use credential::Credential;

//! The way in for the fuzzer, which has to reach what nobody else may: compiled for it and
//! for tests alone, and no part of the library.

use zeroize::Zeroizing;

use super::{
    answer::{self, Reading},
    kv::Engine,
    place::Place,
    wire::Answer,
};
use crate::secrets::Reference;

/// What an answer was taken for.
#[derive(Debug)]
pub enum Meaning {
    /// The value at the field `api_key`.
    Value(Vec<u8>),
    /// Nothing is there.
    Miss,
    /// Permission denied.
    Denied,
    /// A failure, in the operator's words.
    Failure(String),
}

/// Reads an answer to a read of `api_key`, on a mount of KV version 2 or 1, in every way that an
/// answer is read.
#[must_use]
pub fn meaning(status: u16, body: &[u8], is_version_2: bool) -> Meaning {
    let answer = Answer {
        status,
        body: Zeroizing::new(body.to_vec()),
        retry_after: None,
    };
    let _ = answer::engine(&answer);
    let _ = answer::lent(&answer, is_version_2);
    let _ = answer::renewal(&answer);
    let _ = answer::lifetime(&answer);
    let _ = answer::is_refusal_of_vault(&answer);
    let Ok(reference) = "vault:secret/ai#api_key".parse::<Reference>() else {
        return Meaning::Miss;
    };
    let Ok(place) = Place::of(&reference) else {
        return Meaning::Miss;
    };
    let engine = if is_version_2 {
        Engine::Kv2
    } else {
        Engine::Kv1
    };
    match answer::read(&answer, engine, &place, "ABOUT") {
        Ok(Reading::Value { text, .. }) => Meaning::Value(text.as_bytes().to_vec()),
        Ok(Reading::Miss) => Meaning::Miss,
        Ok(Reading::Denied) => Meaning::Denied,
        Err(error) => Meaning::Failure(error.to_string()),
    }
}

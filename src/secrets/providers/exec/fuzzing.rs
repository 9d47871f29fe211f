//! The way in for the fuzzer, which has to reach what nobody else may: compiled for it and
//! for tests alone, and no part of the library.

use super::provider::pick;
use crate::secrets::Reference;

/// The value that is taken from a command's output, whole or at the field `k`.
///
/// # Errors
/// The operator's words.
pub fn picked(output: &[u8], is_field: bool) -> Result<Vec<u8>, String> {
    let text = if is_field { "exec:x#k" } else { "exec:x" };
    let reference: Reference = text.parse().map_err(|_| String::new())?;
    pick(output, &reference, "ABOUT")
        .map(|value| value.to_vec())
        .map_err(|error| error.to_string())
}

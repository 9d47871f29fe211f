//! The header that carries the key: the one copy of it that this program makes outside the locked
//! pool. It is made last, in one buffer of the exact size, and travels with the request.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::KeyHeader;
use crate::{models::ModelErrorKind, secrets::Secret};

/// The longest key that is sent: beyond it lies a pasted file, not a key.
const MAX_KEY_BYTES: usize = 4096;

/// Puts `key` where `header` says, marked as sensitive.
pub(super) fn put(
    headers: &mut HeaderMap,
    header: &KeyHeader,
    key: &Secret,
) -> Result<(), ModelErrorKind> {
    let (name, scheme): (_, &[u8]) = match header {
        KeyHeader::Bearer => (AUTHORIZATION, b"Bearer "),
        KeyHeader::Named(name) => (name.clone(), b""),
    };
    let value = key.expose(|key| {
        let sendable =
            (1..=MAX_KEY_BYTES).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        sendable.then(|| {
            // Of the exact size: growing would leave a copy behind, and so would shrinking.
            let mut value = Vec::with_capacity(scheme.len() + key.len());
            value.extend_from_slice(scheme);
            value.extend_from_slice(key);
            value
        })
    });
    let value = value.ok_or(ModelErrorKind::KeyMalformed)?;
    // From `Bytes` without copying.
    let mut value = HeaderValue::from_maybe_shared(Bytes::from(value))
        .map_err(|_| ModelErrorKind::KeyMalformed)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

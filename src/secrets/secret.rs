//! One resolved secret: the value in locked memory, and what may be told about it.
//!
//! The type cannot be printed, cloned or serialised; the value can be read only inside a closure,
//! so that each place that touches plaintext is found by searching for `expose`.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::{SecretName, cache::Mark, chain::Resolved, memory::LockedBuffer};

/// A key, for as long as somebody holds it. Share it as `Arc<Secret>`; the last holder wipes it.
pub struct Secret {
    value: Arc<LockedBuffer>,
    name: SecretName,
    provider: Arc<str>,
    version: Option<String>,
    created_at: Option<SystemTime>,
    expires_at: Option<Instant>,
    mark: Mark,
    is_fallback: bool,
}

/// Makes the marks by which values are told apart, with keys that only this process has: a mark
/// in memory does not help to guess the value. Nobody outside sees a mark or can try to forge one.
///
/// Two of the standard library's keyed hashes, and not an HMAC: SHA-256 gathers blocks of 64 bytes,
/// and would leave the end of the value, or a short one whole, in its block on the stack. These
/// take eight bytes at a time.
#[derive(Clone)]
pub(super) struct Marker([RandomState; 2]);

impl Marker {
    pub(super) fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    pub(super) fn mark(&self, value: &[u8]) -> Mark {
        let mut mark = Mark::default();
        for (part, keyed) in mark.chunks_exact_mut(8).zip(&self.0) {
            part.copy_from_slice(&keyed.hash_one(value).to_ne_bytes());
        }
        mark
    }
}

impl Secret {
    pub(super) fn new(name: SecretName, resolved: Resolved, marker: &Marker) -> Self {
        let Resolved {
            provider,
            found,
            is_fallback,
            is_whole: _,
        } = resolved;
        Self {
            is_fallback,
            mark: marker.mark(found.value.as_slice()),
            expires_at: found.expires_at,
            value: found.value,
            name,
            provider,
            version: found.version,
            created_at: found.created_at,
        }
    }

    /// Lends the value to `use_value` and returns what that makes of it.
    ///
    /// Whatever copies the value must wipe the copy, or leave it in memory that the zero-on-free
    /// allocator owns and end it with the request.
    pub fn expose<R>(&self, use_value: impl FnOnce(&[u8]) -> R) -> R {
        use_value(self.value.as_slice())
    }

    /// The name it was asked for by.
    #[must_use]
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// The secret provider that had it.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The provider's version of it, if the provider has versions.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// When this version was made, if the provider tells.
    #[must_use]
    pub fn created_at(&self) -> Option<SystemTime> {
        self.created_at
    }

    /// When it ends by itself: the end of its lease.
    #[must_use]
    pub fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    /// Whether it stands in for a place that failed.
    pub(super) fn is_fallback(&self) -> bool {
        self.is_fallback
    }

    pub(super) fn mark(&self) -> Mark {
        self.mark
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

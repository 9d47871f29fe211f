//! One resolved secret: the value in locked memory, and what may be told about it.
//!
//! The type cannot be printed, cloned or serialised; the value can be read only inside a closure,
//! so that each place that touches plaintext is found by searching for `expose`.

use std::{fmt, sync::Arc, time::SystemTime};

use super::{SecretName, memory::LockedBuffer};

/// A key, for as long as somebody holds it. Share it as `Arc<Secret>`; the last holder wipes it.
pub struct Secret {
    value: Arc<LockedBuffer>,
    name: SecretName,
    provider: Arc<str>,
    version: Option<String>,
    created_at: Option<SystemTime>,
}

impl Secret {
    pub(super) fn new(
        name: SecretName,
        provider: Arc<str>,
        found: super::providers::Found,
    ) -> Self {
        Self {
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

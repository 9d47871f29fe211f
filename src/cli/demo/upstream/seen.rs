//! What the stand-in saw, and the digest by which it knows its key.

use std::net::SocketAddr;

use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A digest of the one key that is accepted, so that the key itself need not be kept.
#[derive(Debug, Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of `key`.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    pub(super) fn fits(&self, key: &[u8]) -> bool {
        Self::of(key).0.ct_eq(&self.0).into()
    }
}

/// Which key a request carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySeen {
    /// The one that is accepted.
    Right,
    /// Another.
    Wrong,
    /// None.
    Absent,
}

/// One request, without its key.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The path and query.
    pub path: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// The client's end of the connection, where the listener tells.
    pub peer: Option<SocketAddr>,
    /// Which key came with it.
    pub key: KeySeen,
    /// All headers but `authorization`.
    pub headers: Vec<(String, String)>,
    /// The body, if it is JSON; else null.
    pub body: Value,
}

/// How many requests have come how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Arrived, whole.
    pub arrived: usize,
    /// Answered to the last byte.
    pub answered: usize,
    /// Left by their clients before the last byte.
    pub abandoned: usize,
}

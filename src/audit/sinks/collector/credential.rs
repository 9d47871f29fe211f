//! What a sink sends to prove itself, without knowing where it comes from.
//!
//! The audit stands below whatever holds secrets, so it is handed this instead of a key: it asks
//! for each request, and lets go of the answer with the request.

use futures_util::future::BoxFuture;
use reqwest::{Url, header::HeaderValue};

use crate::audit::SinkError;

/// Where the value of an `Authorization` header comes from.
///
/// What gives it must not wait for a record of its own to be kept: the sink that would keep it is
/// the one that waits.
pub trait Credential: Send + Sync {
    /// The header for one request to `url`, and for no other.
    ///
    /// # Errors
    /// There is none now; the words may name the secret, not its value.
    fn authorization<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<HeaderValue, SinkError>>;
}

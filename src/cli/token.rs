//! The bearer token of the HTTP transport, checked against a secret of the broker.
//!
//! The token's value is not kept: what stays, for a minute, is its digest under a key that lives
//! as long as the process. Whoever sends wrong tokens must not be able to drive the secret store:
//! at most one fetch in five seconds follows a mismatch.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use hmac::{HmacReset, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    call::CallIdentity,
    secrets::Binding,
    server::{Authenticator, Verdict, is_bearer_token},
};

/// How long a digest is believed without another look at the secret.
const KEPT: Duration = Duration::from_secs(60);
/// Between a fetch and one that a mismatch causes, so that a rotated token is accepted soon and
/// wrong ones cost the store little.
const BETWEEN_FETCHES: Duration = Duration::from_secs(5);

/// A token below this can be guessed by trying, over loopback, at full speed.
const SHORT_BYTES: usize = 16;

/// Compared in constant time, by its own `verify_slice_reset`.
type Digest = HmacReset<Sha256>;
/// The digest of the right token; `None` if the secret was unavailable.
type Known = Option<[u8; 32]>;

/// Compares tokens with the secret called `name`.
pub(super) struct TokenAuthenticator {
    secret: Arc<Binding>,
    key: [u8; 32],
    latest: Mutex<Option<Fetch>>,
}

#[derive(Clone)]
struct Fetch {
    begun: Instant,
    known: Shared<BoxFuture<'static, Known>>,
}

impl TokenAuthenticator {
    pub(super) fn new(secret: Binding) -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self {
            secret: Arc::new(secret),
            key,
            latest: Mutex::new(None),
        }
    }

    /// The latest fetch if it is younger than `age`, else one that begins now.
    fn fetch(&self, age: Duration) -> Fetch {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fetch) = latest.as_ref().filter(|fetch| fetch.begun.elapsed() < age) {
            return fetch.clone();
        }
        let (secret, key) = (Arc::clone(&self.secret), self.key);
        let known: BoxFuture<'static, Known> = Box::pin(async move {
            let asker = CallIdentity {
                request_id: uuid::Uuid::new_v4().simple().to_string(),
                tool: "http".to_owned(),
                principal: "server".to_owned(),
            };
            // The broker has logged why, if it failed.
            let token = secret.look(&asker).await.ok()?;
            if !token.expose(is_bearer_token) {
                tracing::error!(
                    secret = %secret.name(),
                    "the secret is no bearer token, so no client can send it: use letters, digits \
                     and -._~+/ alone, as `openssl rand -hex 32` does"
                );
                return None;
            }
            if token.expose(<[u8]>::len) < SHORT_BYTES {
                tracing::warn!(secret = %secret.name(), "the bearer token is short enough to be guessed");
            }
            Some(token.expose(|token| digest(&key, token).finalize_reset().into_bytes().into()))
        });
        let known = known.shared();
        // A client that leaves must not stop a fetch that others wait for; the provider's deadline
        // ends it.
        tokio::spawn(known.clone().map(drop));
        latest
            .insert(Fetch {
                begun: Instant::now(),
                known,
            })
            .clone()
    }
}

impl Authenticator for TokenAuthenticator {
    fn check<'a>(&'a self, token: &'a [u8]) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let matches = |known: &Known| {
                known.is_some_and(|known| {
                    let mut digest = digest(&self.key, token);
                    digest.verify_slice_reset(&known).is_ok()
                })
            };
            let known = self.fetch(KEPT).known.await;
            if matches(&known) {
                return Verdict::Accepted;
            }
            let known = self.fetch(BETWEEN_FETCHES).known.await;
            match (matches(&known), known) {
                (true, _) => Verdict::Accepted,
                (false, Some(_)) => Verdict::Refused,
                (false, None) => Verdict::Unavailable,
            }
        })
    }
}

/// It gathers the end of the token in a block of 64 bytes. That is on the heap, where it is wiped
/// when freed, and is never moved: a move would leave it on the stack.
fn digest(key: &[u8; 32], token: &[u8]) -> Box<Digest> {
    let key = hmac::digest::Key::<Digest>::from_iter(key.iter().copied().chain([0; 32]));
    let mut digest = Box::new(Digest::new(&key));
    digest.update(token);
    digest
}

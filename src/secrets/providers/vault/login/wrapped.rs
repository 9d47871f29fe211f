//! A secret id behind a response-wrapping token: unwrapped exactly once, and kept for later logins.
//! <https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>
//!
//! Wrapping shows theft: a token unwraps once, so if somebody on the way has used it, the next one
//! finds it used. That must reach the operator as what it may be, so it is logged as an error and
//! told apart from a login that merely failed. The token's creation path is looked at first, since
//! a thief could wrap something of their own in its place. A token that turned out used or forged
//! is not tried again; a new one in the file is.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use vaultrs::api::sys::requests::{UnwrapRequest, WrappingLookupRequest};
use zeroize::Zeroizing;

use super::{
    super::{answer::failure, life::Fingerprint, wire::Answer},
    Desk,
    desk::{Attempt, MAX_TOKEN_BYTES, absent},
};
use crate::secrets::{
    memory::LockedBuffer,
    providers::{ProviderError, json_field},
};

/// The file, and what its token was good for.
pub(super) struct Wrapped {
    path: PathBuf,
    /// Out of its place during a login: a session makes one at a time.
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Untouched,
    /// Sent, and the answer was lost: it may be used up by ourselves.
    Tried(Fingerprint),
    /// Of no use, and why.
    Spent(Fingerprint, ProviderError),
    Unwrapped(Fingerprint, LockedBuffer),
}

impl Wrapped {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            state: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The secret id: kept from before, or unwrapped now.
    pub(super) async fn secret_id(
        &self,
        desk: &Desk<'_>,
        attempt: &Attempt<'_>,
        mount: &str,
    ) -> Result<Zeroizing<String>, ProviderError> {
        let mut state = std::mem::take(&mut *self.state());
        let outcome = self.settled(&mut state, desk, attempt, mount).await;
        *self.state() = state;
        outcome
    }

    async fn settled(
        &self,
        state: &mut State,
        desk: &Desk<'_>,
        attempt: &Attempt<'_>,
        mount: &str,
    ) -> Result<Zeroizing<String>, ProviderError> {
        let wrapping = desk
            .read_if_there(&self.path, "the wrapping token", MAX_TOKEN_BYTES)
            .await?;
        // Some who deliver such a file remove it after a while; what was in it is kept.
        let Some(wrapping) = wrapping else {
            return match state {
                State::Unwrapped(_, kept) => text(kept.as_slice(), attempt),
                _ => Err(absent(&self.path, "approle.wrapped_secret_id_file")),
            };
        };
        let was_tried = match state {
            State::Unwrapped(then, kept) if then.is_of(wrapping.as_bytes()) => {
                return text(kept.as_slice(), attempt);
            }
            State::Spent(then, why) if then.is_of(wrapping.as_bytes()) => {
                return Err(why.clone());
            }
            State::Tried(then) => then.is_of(wrapping.as_bytes()),
            _ => false,
        };
        let now = Fingerprint::of(wrapping.as_bytes());
        if let Err(unusable) = self.look(&wrapping, attempt, mount, was_tried).await {
            return Err(unusable.settle(state, now));
        }
        // From here on the token may be used up, whatever becomes of the answer.
        *state = State::Tried(now.clone());
        let secret_id = match self.unwrap(&wrapping, attempt, was_tried).await {
            Ok(secret_id) => secret_id,
            Err(unusable) => return Err(unusable.settle(state, now)),
        };
        match desk.pool.store(secret_id.as_bytes()).await {
            Ok(kept) => *state = State::Unwrapped(now, kept),
            // This login can still use it; the next will want another.
            Err(full) => tracing::warn!("the unwrapped secret id could not be kept: {full}"),
        }
        Ok(secret_id)
    }

    /// Looks at what the token wraps, without unwrapping it: whether it is unused, and whether it
    /// was made by asking for a secret id of a role at this mount.
    async fn look(
        &self,
        wrapping: &str,
        attempt: &Attempt<'_>,
        mount: &str,
        was_tried: bool,
    ) -> Result<(), Unusable> {
        #[derive(Deserialize)]
        struct Body {
            data: Wrapping,
        }
        #[derive(Deserialize)]
        struct Wrapping {
            creation_path: String,
        }
        let request = WrappingLookupRequest {
            token: wrapping.to_owned(),
        };
        let answer = attempt.ask(request, None).await?;
        let namespace = attempt.namespace();
        match answer.status {
            200..=299 => {
                let body: Option<Body> = serde_json::from_slice(&answer.body).ok();
                let is_ours = body.is_some_and(|body| {
                    is_secret_id_of(&body.data.creation_path, mount, namespace)
                });
                if is_ours {
                    Ok(())
                } else {
                    Err(self.forged(attempt))
                }
            }
            400 if is_used(&answer) => Err(self.used(attempt, was_tried)),
            // Some let nobody look; then unwrapping alone tells.
            403..=405 => {
                tracing::warn!(
                    "{}: what the wrapping token wraps could not be looked at first (status {})",
                    attempt.about(),
                    answer.status
                );
                Ok(())
            }
            _ => Err(failure(&answer, &attempt.about()).into()),
        }
    }

    async fn unwrap(
        &self,
        wrapping: &str,
        attempt: &Attempt<'_>,
        was_tried: bool,
    ) -> Result<Zeroizing<String>, Unusable> {
        // Sent as the token that asks, so that no second copy stands in a body.
        let request = UnwrapRequest { token: None };
        let answer = attempt.ask(request, Some(wrapping.as_bytes())).await?;
        match answer.status {
            200..=299 => {}
            400 | 403 if is_used(&answer) => return Err(self.used(attempt, was_tried)),
            _ => return Err(failure(&answer, &attempt.about()).into()),
        }
        let steps = ["data".to_owned(), "secret_id".to_owned()];
        let Ok(found) = json_field::find(&answer.body, &steps) else {
            return Err(self.forged(attempt));
        };
        text(found.as_bytes(), attempt).map_err(Unusable::from)
    }

    /// Never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self, attempt: &Attempt<'_>, was_tried: bool) -> Unusable {
        let file = self.path.display();
        let what = if was_tried {
            "an answer to our own earlier attempt was lost, or somebody else has unwrapped it"
        } else {
            "it has expired, or SOMEBODY ELSE HAS UNWRAPPED IT FIRST and may hold the secret id: \
             find out who; if in doubt, destroy the role's secret ids"
        };
        self.alarm(attempt, format!(
            "the wrapping token in {file} is not valid any more: {what}; then write a new one there"
        ))
    }

    fn forged(&self, attempt: &Attempt<'_>) -> Unusable {
        self.alarm(attempt, format!(
            "the wrapping token in {} does not wrap a secret id of a role at this mount: SOMEBODY \
             MAY HAVE REPLACED IT, or it was made for something else; it was not used",
            self.path.display()
        ))
    }

    /// A security event: told once for each token, whoever asks for the secret.
    fn alarm(&self, attempt: &Attempt<'_>, what: String) -> Unusable {
        let error = attempt.failed(what);
        tracing::error!(event = "wrapping_token_refused", "{}", error.detail);
        Unusable::Spent(error)
    }
}

/// Why there is no secret id.
enum Unusable {
    /// This token will never give one.
    Spent(ProviderError),
    /// Asking again may help.
    Failed(ProviderError),
}

impl From<ProviderError> for Unusable {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error)
    }
}

impl Unusable {
    fn settle(self, state: &mut State, token: Fingerprint) -> ProviderError {
        match self {
            Self::Spent(error) => {
                *state = State::Spent(token, error.clone());
                error
            }
            Self::Failed(error) => error,
        }
    }
}

/// Vault says the same of a token that has expired, was used, or never was one.
fn is_used(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<String>,
    }
    serde_json::from_slice::<Body>(&answer.body).is_ok_and(|body| {
        let says = |said: &String| said.contains("wrapping token is not valid");
        body.errors.iter().any(says)
    })
}

/// Whether a path is `auth/<mount>/role/<name>/secret-id`, with or without our own namespace before
/// it. The whole path counts: what ends like it may be a place that a thief can write to, such as
/// `cubbyhole/auth/…`.
fn is_secret_id_of(path: &str, mount: &str, namespace: Option<&str>) -> bool {
    let begin = format!("auth/{mount}/role/");
    let within = namespace
        .and_then(|namespace| path.strip_prefix(namespace))
        .and_then(|below| below.strip_prefix('/'));
    let name = [Some(path), within].into_iter().flatten().find_map(|path| {
        path.strip_prefix(&begin)
            .and_then(|below| below.strip_suffix("/secret-id"))
    });
    name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

fn text(bytes: &[u8], attempt: &Attempt<'_>) -> Result<Zeroizing<String>, ProviderError> {
    let text = std::str::from_utf8(bytes).map(|text| Zeroizing::new(text.to_owned()));
    text.map_err(|_| attempt.failed("the unwrapped secret id is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_that_makes_secret_ids_at_this_mount_is_taken() {
        let team = Some("team-a/dev");
        for (ours, namespace) in [
            ("auth/approle/role/app/secret-id", None),
            ("auth/approle/role/app/secret-id", team),
            ("team-a/dev/auth/approle/role/app/secret-id", team),
        ] {
            assert!(is_secret_id_of(ours, "approle", namespace), "{ours}");
        }
        let below = "auth/team/ci/role/app/secret-id";
        assert!(is_secret_id_of(below, "team/ci", None));
        for other in [
            "sys/wrapping/wrap",
            "auth/other/role/app/secret-id",
            "auth/approle/role/app/custom-secret-id",
            "auth/approle/role/app/role-id",
            "auth/approle/role//secret-id",
            "auth/approle/role/a/b/secret-id",
            "xauth/approle/role/app/secret-id",
            "cubbyhole/auth/approle/role/app/secret-id",
            "team-a/auth/approle/role/app/secret-id",
            "team-a/devauth/approle/role/app/secret-id",
            "team-a/dev/cubbyhole/auth/approle/role/app/secret-id",
            "",
        ] {
            for namespace in [None, team] {
                assert!(!is_secret_id_of(other, "approle", namespace), "{other}");
            }
        }
    }
}

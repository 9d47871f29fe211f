//! What every login method works with: Vault's address, the reading of a proof, one request with a
//! deadline, and the judging of what Vault answers.
//!
//! Vault's words decide what is said of a refusal and are then dropped; they are never shown, since
//! some of them quote what was sent.

use std::{path::Path, time::Duration};

use rustify::endpoint::Endpoint;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::{
    answer::{failure, is_refusal_of_vault},
    wire::{Answer, Caller, Wire},
};
use crate::secrets::{
    memory::Pool,
    providers::{ErrorKind, MAX_VALUE_BYTES, ProviderError, secret_file, value},
};

/// How long Vault may take to answer a login, whoever still waits for it. What it answers later is
/// a token that nobody here ever sees.
const LOG_IN: Duration = Duration::from_secs(20);

/// The longest JWT or password. Neither rests anywhere.
const MAX_PROOF_BYTES: usize = MAX_VALUE_BYTES;

/// The longest token or secret id, batch tokens included: some of them rest in the pool, which is
/// small.
pub(super) const MAX_TOKEN_BYTES: usize = 4096;

/// What a login works with.
#[derive(Clone, Copy)]
pub(in super::super) struct Desk<'a> {
    pub(in super::super) wire: &'a Wire,
    pub(in super::super) namespace: Option<&'a str>,
    /// systemd's folder of credentials.
    pub(in super::super) credentials: Option<&'a Path>,
    pub(in super::super) pool: &'a Pool,
}

/// A login at a place, for messages.
pub(super) struct Attempt<'a> {
    desk: Desk<'a>,
    method: &'static str,
    mount: &'a str,
}

/// What Vault said with a refusal.
pub(super) struct Said(Vec<String>);

impl Said {
    /// Whether the words are in it.
    pub(super) fn has(&self, words: &str) -> bool {
        self.0.iter().any(|said| said.contains(words))
    }
}

impl<'a> Desk<'a> {
    /// Begins a login by `method` at `mount`.
    pub(super) fn attempt(self, method: &'static str, mount: &'a str) -> Attempt<'a> {
        Attempt {
            desk: self,
            method,
            mount,
        }
    }

    /// Reads a proof from the file that the setting below `auth` names; `what` it is, as in "the
    /// secret id".
    pub(super) async fn read(
        &self,
        path: &Path,
        setting: &str,
        what: &str,
    ) -> Result<Zeroizing<String>, ProviderError> {
        let read = self.read_if_there(path, what, MAX_PROOF_BYTES).await?;
        read.ok_or_else(|| absent(path, setting))
    }

    /// The same; `None` if there is no such file.
    pub(super) async fn read_if_there(
        &self,
        path: &Path,
        what: &str,
        max_bytes: usize,
    ) -> Result<Option<Zeroizing<String>>, ProviderError> {
        let credentials = self.credentials.map(Path::to_owned);
        let read = secret_file::read(path.to_owned(), credentials, max_bytes).await?;
        let Some(contents) = read else {
            return Ok(None);
        };
        let mut bytes = contents.bytes;
        let length = value::without_line_end(&bytes).len();
        bytes.truncate(length);
        let place = format!("{what} in {}", path.display());
        value::check(&bytes, &place)?;
        // Taken, not copied: the text is wiped where the bytes would have been.
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                let detail = format!("{place} is not text");
                Err(ProviderError::new(ErrorKind::Malformed, detail))
            }
        }
    }
}

/// A file that the setting below `auth` names is not there.
pub(super) fn absent(path: &Path, setting: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::LoginFailed,
        format!(
            "the file {}, named by `secrets.providers.vault.auth.{setting}`, does not exist",
            path.display()
        ),
    )
}

impl Attempt<'_> {
    /// One request, with `token` or with none.
    pub(super) async fn ask<E: Endpoint>(
        &self,
        request: E,
        token: Option<&[u8]>,
    ) -> Result<Answer, ProviderError> {
        let namespace = self.desk.namespace;
        let asking = self.desk.wire.ask(request, Caller { token, namespace });
        let asked = tokio::time::timeout(LOG_IN, asking).await;
        asked.unwrap_or_else(|_| {
            let detail = format!("{}: no answer within {LOG_IN:?}", self.about());
            Err(ProviderError::new(ErrorKind::TimedOut, detail))
        })
    }

    /// Gives a success back, and says what any other answer means: `told` knows the words of its
    /// method.
    pub(super) fn judge(
        &self,
        answer: Answer,
        told: impl FnOnce(&Said) -> Option<String>,
    ) -> Result<Answer, ProviderError> {
        let about = self.about();
        let method = self.method;
        if (200..=299).contains(&answer.status) {
            return Ok(answer);
        }
        if !is_refusal_of_vault(&answer) || failure(&answer, "").kind != ErrorKind::Misconfigured {
            return Err(failure(&answer, &about));
        }
        let said = said(&answer);
        let what = match answer.status {
            _ if said.has("namespace not found") => {
                "there is no such namespace; see `secrets.providers.vault.namespace`".to_owned()
            }
            404 => {
                format!("no such login: is {method} enabled at this `mount`, in this namespace?")
            }
            // A status below 400 is no refusal of a login, and is told as what it is.
            ..400 => return Err(failure(&answer, &about)),
            status => told(&said).unwrap_or_else(|| {
                // Also what Vault says of a path at which nothing is mounted.
                if said.has("permission denied") {
                    format!(
                        "refused; is {method} enabled at this `mount`, in this namespace, and does \
                         it let this machine in?"
                    )
                } else {
                    format!("refused (status {status}); Vault's own log says why")
                }
            }),
        };
        Err(self.failed(what))
    }

    /// A login that failed, with what to do.
    pub(super) fn failed(&self, what: impl AsRef<str>) -> ProviderError {
        let detail = format!("{}: {}", self.about(), what.as_ref());
        ProviderError::new(ErrorKind::LoginFailed, detail)
    }

    /// The namespace that is logged in to.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.desk.namespace
    }

    /// Address, namespace, method and mount.
    pub(super) fn about(&self) -> String {
        let (address, method, mount) = (self.desk.wire.address(), self.method, self.mount);
        match self.desk.namespace {
            Some(namespace) => {
                format!("Vault at {address}, namespace `{namespace}`: {method} login at `{mount}`")
            }
            None => format!("Vault at {address}: {method} login at `{mount}`"),
        }
    }
}

/// The words of a refusal.
pub(super) fn said(answer: &Answer) -> Said {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<String>,
    }
    let body = serde_json::from_slice::<Body>(&answer.body);
    Said(body.map(|body| body.errors).unwrap_or_default())
}

//! A lease's life: renewed while it is used, given back when it is not.
//!
//! Each lease is tended by the task that read it, so a Vault that is slow with one holds up no
//! other.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use tokio::{sync::oneshot, time::sleep_until};

use super::{
    super::answer::{self, Renewal},
    keeper::Inner,
    requests::{Renew, Revoke},
    shelf::{Due, Key},
    term::Term,
};
use crate::secrets::{Upkeep, providers::ErrorKind};

/// How long Vault may take to answer one renewal or revocation.
const TEND: Duration = Duration::from_secs(10);

/// How often a revocation is tried.
const REVOCATIONS: u32 = 3;

/// A lease as its task knows it: no values.
pub(super) struct Ticket {
    pub(super) number: u64,
    /// `None`: the answer ends, but Vault keeps no lease of it.
    id: Option<String>,
    pub(super) key: Key,
    pub(super) version: Arc<str>,
}

/// A lease that was taken in.
pub(super) struct Kept {
    pub(super) ticket: Ticket,
    pub(super) term: Term,
    pub(super) let_go: oneshot::Receiver<()>,
}

/// How a lease came to its end.
enum End {
    Over,
    Lost,
    Unused,
    LetGo,
}

impl Ticket {
    pub(super) fn new(number: u64, id: Option<String>, key: Key) -> Self {
        Self {
            number,
            version: version(id.as_deref(), number).into(),
            id,
            key,
        }
    }
}

impl Inner {
    /// Tends a lease until its end.
    pub(super) async fn keep(&self, kept: Kept) {
        let Kept {
            ticket,
            term,
            let_go,
        } = kept;
        let end = tokio::select! {
            biased;
            // The other half is dropped, never used.
            _ = let_go => End::LetGo,
            end = self.tend(&ticket, term) => end,
        };
        // At once, so that its values are wiped while Vault is asked.
        self.shelf().strike_out(ticket.number);
        let (mount, path, version) = (&ticket.key.mount, &ticket.key.path, &*ticket.version);
        match end {
            End::Over => tracing::debug!(mount, path, version, "lease ended"),
            End::Lost => tracing::info!(mount, path, version, "lease lost: Vault has ended it"),
            End::Unused => {
                tracing::debug!(mount, path, version, "lease not used any more");
                self.revoke(&ticket).await;
            }
            End::LetGo => self.revoke(&ticket).await,
        }
    }

    async fn tend(&self, ticket: &Ticket, mut term: Term) -> End {
        loop {
            let mut next = term.due(fastrand::f64());
            loop {
                sleep_until(next.into()).await;
                let due = self.shelf().due(ticket.number, Instant::now());
                match due {
                    Due::Renew => break,
                    Due::Unused => return End::Unused,
                    Due::Again(at) => next = at,
                    Due::Leave => {
                        sleep_until(term.ends().into()).await;
                        return End::Over;
                    }
                }
            }
            match self.renew(ticket, term).await {
                Ok(renewed) => term = renewed,
                Err(end) => return end,
            }
        }
    }

    /// The lease's next term, or how it ends.
    async fn renew(&self, ticket: &Ticket, term: Term) -> Result<Term, End> {
        let (mount, path, version) = (&ticket.key.mount, &ticket.key.path, &*ticket.version);
        let lease_id = ticket.id.as_deref().unwrap_or_default();
        let mut failures = 0;
        loop {
            let asked = self.ask(&ticket.key, || Renew { lease_id });
            let renewal = match tokio::time::timeout(TEND, asked).await {
                Ok(Ok((answer, asked_at, _))) => (answer::renewal(&answer), asked_at),
                Ok(Err(error)) => (Renewal::Failed(error.kind), Instant::now()),
                Err(_) => (Renewal::Failed(ErrorKind::TimedOut), Instant::now()),
            };
            match renewal {
                (Renewal::Granted(grant), asked_at) => {
                    let next = term.renewed(asked_at, grant);
                    self.shelf().renewed(ticket.number, next);
                    let ttl = grant.duration.as_secs();
                    tracing::debug!(mount, path, version, ttl, "lease renewed");
                    self.session.tell(Upkeep::LeaseRenewed);
                    return Ok(next);
                }
                (Renewal::Lost, _) => return Err(End::Lost),
                (Renewal::Refused, _) => {
                    tracing::warn!(
                        mount,
                        path,
                        version,
                        "Vault does not renew the lease: it is not renewable, or the token's \
                         policies do not allow `sys/leases/renew`; it is replaced before its end"
                    );
                    self.shelf().make_last(ticket.number);
                    sleep_until(term.ends().into()).await;
                    return Err(End::Over);
                }
                (Renewal::Failed(kind), _) => {
                    failures += 1;
                    self.session.tell(Upkeep::Failed);
                    tracing::warn!(mount, path, version, error = %kind, "lease not renewed yet");
                    match term.pause(failures, Instant::now(), fastrand::f64()) {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => {
                            sleep_until(term.ends().into()).await;
                            return Err(End::Over);
                        }
                    }
                }
            }
        }
    }

    /// Gives a lease back.
    pub(super) async fn revoke(&self, ticket: &Ticket) {
        let Some(lease_id) = ticket.id.as_deref() else {
            return;
        };
        let (mount, path, version) = (&ticket.key.mount, &ticket.key.path, &*ticket.version);
        let mut pause = Duration::from_millis(200);
        for attempt in 1..=REVOCATIONS {
            let asked = self.ask(&ticket.key, || Revoke { lease_id });
            match tokio::time::timeout(TEND, asked).await {
                Ok(Ok((answer, ..))) if (200..=299).contains(&answer.status) => {
                    tracing::info!(mount, path, version, "lease revoked");
                    self.session.tell(Upkeep::Revoked);
                    return;
                }
                Ok(Ok((answer, ..))) if answer.status == 403 => {
                    if !self.has_warned_of_policy.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            mount,
                            path,
                            version,
                            "the token's policies do not allow `update` on `sys/leases/revoke`: \
                             leases end with the login or by themselves (said once)"
                        );
                    }
                    return;
                }
                _ if attempt < REVOCATIONS => {
                    tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
                    pause *= 4;
                }
                _ => tracing::warn!(
                    mount,
                    path,
                    version,
                    "the lease was not revoked; it ends by itself"
                ),
            }
        }
    }
}

/// Eight hexadecimal digits of the id's hash: an operator who has the id can find them, nobody
/// finds the id from them.
fn version(id: Option<&str>, number: u64) -> String {
    match id {
        Some(id) => {
            let hash = Sha256::digest(id.as_bytes());
            let digits: String = hash
                .iter()
                .take(4)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("lease-{digits}")
        }
        None => format!("answer-{number}"),
    }
}

//! Keeps a token alive while it is needed.
//!
//! One task a token, owned by the session that holds the token and ended with it. A token that we
//! made is renewed while it is used; an idle one is left to lapse, as we can log in again. One that
//! somebody else made is renewed in any case, because nobody here could make another. Nothing is
//! decided of a token's death here: a fetch that is refused finds that out.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use rustify::endpoint::Endpoint;
use tokio::{task::JoinHandle, time::sleep_until};
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RenewTokenSelfRequest};

use super::{
    life::{Fingerprint, Lease, Token},
    session::Session,
    wire::Answer,
};
use crate::secrets::{
    Upkeep,
    memory::LockedBuffer,
    providers::{ErrorKind, ProviderError},
};

/// How long Vault may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// When a supplied token is looked up. Not at once: a token that is good for a single request must
/// be spent on the fetch that brought it here.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// The first and the longest pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The renewal of one token, ended when dropped.
pub(super) struct Renewal(JoinHandle<()>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Renewal {
    /// Of a token that we made; `None` if there is nothing to renew.
    pub(super) fn of_made(session: &Arc<Session>, token: &Arc<Token>) -> Option<Self> {
        let lease = token.lease().filter(Lease::can_be_renewed)?;
        let (session, subject) = (Arc::downgrade(session), Subject::Made(Arc::clone(token)));
        Some(Self(tokio::spawn(async move {
            keep(&session, &subject, lease).await;
        })))
    }

    /// Of a token that somebody else made, whose life is not known yet.
    pub(super) fn of_supplied(session: &Arc<Session>, which: Fingerprint) -> Self {
        let (session, subject) = (Arc::downgrade(session), Subject::Supplied(which));
        Self(tokio::spawn(async move {
            tokio::time::sleep(LOOK_AFTER).await;
            if let Some(lease) = look(&session, &subject).await {
                keep(&session, &subject, lease).await;
            }
        }))
    }
}

/// Whose life it is.
enum Subject {
    Made(Arc<Token>),
    /// Read anew each time, so that it does not rest in memory in between.
    Supplied(Fingerprint),
}

impl Subject {
    /// The token; `None` if another is in its place.
    async fn value(&self, session: &Session) -> Result<Option<Arc<LockedBuffer>>, ProviderError> {
        match self {
            Self::Made(token) => Ok(Some(Arc::clone(token.value()))),
            Self::Supplied(which) => {
                let value = session.supplied().await?;
                Ok(value.filter(|value| which.is_of(value.as_slice())))
            }
        }
    }
}

/// Learns the life of a supplied token; `None` if there is nothing to renew.
async fn look(session: &Weak<Session>, subject: &Subject) -> Option<Lease> {
    let mut failures = 0;
    loop {
        let session = session.upgrade()?;
        let asked = Instant::now();
        match ask(&session, subject, LookupTokenSelfRequest {}).await {
            Ok(Some(answer)) if answer.status == 200 => {
                let lease = Lease::of_lookup(&answer, asked)?;
                if !lease.can_be_renewed() {
                    tell_limits(&session, lease);
                }
                return Some(lease).filter(Lease::can_be_renewed);
            }
            // It is dead, or may not look itself up: the fetches tell.
            Ok(Some(answer)) if is_final(answer.status) => return None,
            Ok(None) => return None,
            _ => {}
        }
        drop(session);
        failures += 1;
        tokio::time::sleep(pause(failures)).await;
    }
}

/// Whether asking again would give the same.
fn is_final(status: u16) -> bool {
    (400..=499).contains(&status) && status != 429
}

/// What the operator should know of a supplied token that cannot be renewed.
fn tell_limits(session: &Session, lease: Lease) {
    let source = session.source();
    if lease.uses > 0 {
        tracing::warn!(
            "the token {source} is good for {} more requests to Vault, and is not renewed; a token \
             without such a limit, or a login, serves longer",
            lease.uses
        );
    } else if let Some(ends) = lease.ends {
        let seconds = ends.saturating_duration_since(Instant::now()).as_secs();
        tracing::warn!(
            "the token {source} ends in {seconds} s and cannot be renewed; put another in its \
             place before that"
        );
    }
}

/// Renews until that gives no more time, or nobody uses a token of ours.
async fn keep(session: &Weak<Session>, subject: &Subject, mut lease: Lease) {
    let mut failures = 0;
    while let (true, Some(ends)) = (lease.can_be_renewed(), lease.ends) {
        let now = Instant::now();
        if ends <= now {
            return;
        }
        if failures == 0 {
            sleep_until(lease.renew_at(now).unwrap_or(ends).into()).await;
            if let Subject::Made(token) = subject
                && !token.is_used_before(ends).await
            {
                return;
            }
        } else {
            // Never so long that the end would be missed.
            let remains = ends.saturating_duration_since(now);
            tokio::time::sleep(pause(failures).min(remains / 3)).await;
        }
        let Some(session) = session.upgrade() else {
            return;
        };
        match renew(&session, subject).await {
            Ok(renewed) => {
                failures = 0;
                lease = match renewed {
                    Renewed::Until(later) if later.prolongs(&lease) => later.after(&lease),
                    Renewed::Until(later) => later.after(&lease).at_its_last(),
                    Renewed::Refused => lease.at_its_last(),
                    // Its successor has a renewal of its own, from the next fetch on.
                    Renewed::Replaced => return,
                };
                if let Subject::Made(token) = subject {
                    token.set_lease(lease);
                }
                tell_renewed(&session, subject, lease);
            }
            Err(error) => {
                failures += 1;
                session.tell(Upkeep::Failed);
                if failures == 1 {
                    tracing::warn!("the token {} is not renewed yet: {error}", session.source());
                }
            }
        }
    }
}

fn tell_renewed(session: &Session, subject: &Subject, lease: Lease) {
    let address = session.wire.address();
    session.tell(Upkeep::TokenRenewed);
    match subject {
        _ if lease.can_be_renewed() => tracing::debug!(address, "renewed the token at Vault"),
        Subject::Made(_) => tracing::debug!(
            address,
            "the token at Vault is at its maximum life; the next fetch after it logs in again"
        ),
        Subject::Supplied(_) => tell_limits(session, lease),
    }
}

/// What came of a renewal.
enum Renewed {
    Until(Lease),
    /// Vault does not renew it.
    Refused,
    /// Another token is in its place.
    Replaced,
}

async fn renew(session: &Session, subject: &Subject) -> Result<Renewed, ProviderError> {
    let asked = Instant::now();
    let request = RenewTokenSelfRequest { increment: None };
    let Some(answer) = ask(session, subject, request).await? else {
        return Ok(Renewed::Replaced);
    };
    match answer.status {
        200..=299 => Ok(Lease::of_login(&answer, asked).map_or(Renewed::Refused, Renewed::Until)),
        status if is_final(status) => Ok(Renewed::Refused),
        _ => {
            let about = format!("Vault at {}", session.wire.address());
            Err(super::answer::failure(&answer, &about))
        }
    }
}

/// Vault's answer; `None` if another token is in the place of the one that is meant.
async fn ask<E: Endpoint>(
    session: &Session,
    subject: &Subject,
    request: E,
) -> Result<Option<Answer>, ProviderError> {
    let asking = async {
        let Some(token) = subject.value(session).await? else {
            return Ok(None);
        };
        let caller = session.caller(token.as_slice());
        session.wire.ask(request, caller).await.map(Some)
    };
    let asked = tokio::time::timeout(ANSWER, asking).await;
    asked.unwrap_or_else(|_| {
        let address = session.wire.address();
        let detail = format!("Vault at {address}: no answer within {ANSWER:?}");
        Err(ProviderError::new(ErrorKind::TimedOut, detail))
    })
}

/// After so many failures in a row: twice as long each time, by chance up to a half shorter.
fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled
        .min(LONGEST_PAUSE)
        .mul_f64(1.0 - fastrand::f64() / 2.0)
}

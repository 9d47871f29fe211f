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
    life::{Lease, Token},
    session::Session,
    wire::Answer,
};
use crate::secrets::providers::{ErrorKind, ProviderError};

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
        token.lease().filter(Lease::can_be_renewed)?;
        let (session, token) = (Arc::downgrade(session), Arc::clone(token));
        Some(Self(tokio::spawn(async move {
            keep(&session, &token, true).await;
        })))
    }

    /// Of a token that somebody else made, whose life is not known yet.
    pub(super) fn of_supplied(session: &Arc<Session>, token: &Arc<Token>) -> Self {
        let (session, token) = (Arc::downgrade(session), Arc::clone(token));
        Self(tokio::spawn(async move {
            tokio::time::sleep(LOOK_AFTER).await;
            if look(&session, &token).await {
                keep(&session, &token, false).await;
            }
        }))
    }
}

/// Learns the life of a supplied token; `false` if there is nothing to renew.
async fn look(session: &Weak<Session>, token: &Token) -> bool {
    let mut failures = 0;
    loop {
        let Some(session) = session.upgrade() else {
            return false;
        };
        let asked = Instant::now();
        let answer = match ask(&session, token, LookupTokenSelfRequest {}).await {
            Ok(answer) if answer.status == 200 => answer,
            // It is dead, or may not look itself up: the fetches tell.
            Ok(answer) if (400..=499).contains(&answer.status) && answer.status != 429 => {
                return false;
            }
            _ => {
                drop(session);
                failures += 1;
                tokio::time::sleep(pause(failures)).await;
                continue;
            }
        };
        let Some(lease) = Lease::of_lookup(&answer, asked) else {
            return false;
        };
        token.set_lease(lease);
        if !lease.can_be_renewed() {
            tell_limits(&session, lease);
        }
        return lease.can_be_renewed();
    }
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
async fn keep(session: &Weak<Session>, token: &Token, is_ours: bool) {
    let mut failures = 0;
    while let Some(lease) = token.lease().filter(Lease::can_be_renewed) {
        let now = Instant::now();
        let (Some(ends), Some(due)) = (lease.ends, lease.renew_at(now)) else {
            return;
        };
        if ends <= now {
            return;
        }
        if failures == 0 {
            sleep_until(due.into()).await;
            if is_ours && !token.is_used_before(ends).await {
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
        match renew(&session, token).await {
            Ok(Some(renewed)) => {
                failures = 0;
                let (is_last, renewed) = (!renewed.prolongs(&lease), renewed.after(&lease));
                token.set_lease(if is_last {
                    renewed.at_its_last()
                } else {
                    renewed
                });
                tell_renewed(&session, renewed, is_last, is_ours);
            }
            Ok(None) => {
                token.set_lease(lease.at_its_last());
                if !is_ours {
                    tell_limits(&session, lease.at_its_last());
                }
                return;
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!("the token {} is not renewed yet: {error}", session.source());
                }
            }
        }
    }
}

fn tell_renewed(session: &Session, renewed: Lease, is_last: bool, is_ours: bool) {
    let address = session.wire.address();
    match (is_last, is_ours) {
        (false, _) => tracing::debug!(address, "renewed the token at Vault"),
        (true, true) => tracing::debug!(
            address,
            "the token at Vault is at its maximum life; the next fetch after it logs in again"
        ),
        (true, false) => tell_limits(session, renewed.at_its_last()),
    }
}

/// The token's new life; `None` if Vault does not renew it.
async fn renew(session: &Session, token: &Token) -> Result<Option<Lease>, ProviderError> {
    let asked = Instant::now();
    let answer = ask(session, token, RenewTokenSelfRequest { increment: None }).await?;
    match answer.status {
        200..=299 => Ok(Lease::of_login(&answer, asked)),
        429 | 500..=599 => Err(super::answer::failure(&answer, "")),
        _ => Ok(None),
    }
}

async fn ask<E: Endpoint>(
    session: &Session,
    token: &Token,
    request: E,
) -> Result<Answer, ProviderError> {
    let asking = session.wire.ask(request, session.caller(token.as_bytes()));
    let asked = tokio::time::timeout(ANSWER, asking).await;
    asked.unwrap_or_else(|_| {
        let detail = format!(
            "Vault at {}: no answer within {ANSWER:?}",
            session.wire.address()
        );
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

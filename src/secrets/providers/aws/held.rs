//! Credentials at rest: in the locked pool, until they are due.
//!
//! The SDK would keep what it finds in a cache of its own, in ordinary memory and for as long as
//! the credentials live. That cache is off. What a login gave is kept here instead, and each
//! request takes a copy that ends with it. Nothing here knows how credentials are found.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use futures_util::{FutureExt, future::BoxFuture};

use crate::secrets::{
    memory::{LockedBuffer, Pool},
    providers::{ErrorKind, ProviderError},
    single_flight::SingleFlight,
};

/// How long before their end credentials are replaced, if they live long enough for it. AWS has
/// new ones ready at least that long before.
const AHEAD: Duration = Duration::from_secs(300);

/// How long credentials without an end of their own are kept: a file may have been changed.
const WITHOUT_END: Duration = Duration::from_secs(900);

/// How long a request waits for newer credentials while it has good ones.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long nobody asks for newer ones after that failed.
const QUIET: Duration = Duration::from_secs(30);

/// What finds credentials.
pub(super) trait Find: Send + Sync {
    fn find(&self) -> BoxFuture<'_, Result<Credentials, ProviderError>>;
}

/// One login's credentials, at rest.
pub(super) struct Resting {
    access_key_id: String,
    secret: LockedBuffer,
    session_token: Option<LockedBuffer>,
    refresh_at: SystemTime,
    good_until: SystemTime,
}

impl Resting {
    /// A copy for one request.
    fn lend(&self) -> Credentials {
        let text = |buffer: &LockedBuffer| {
            // They were strings when they were stored.
            std::str::from_utf8(buffer.as_slice())
                .unwrap_or_default()
                .to_owned()
        };
        Credentials::new(
            self.access_key_id.clone(),
            text(&self.secret),
            self.session_token.as_ref().map(text),
            None,
            "locked memory",
        )
    }
}

type Found = Result<Arc<Resting>, ProviderError>;

/// The credentials that a finder found last.
pub(super) struct Held {
    finder: Box<dyn Find>,
    pool: Arc<Pool>,
    state: Mutex<State>,
    flight: SingleFlight<(), Found>,
}

#[derive(Default)]
struct State {
    resting: Option<Arc<Resting>>,
    /// Until then good credentials are not replaced, because that has just failed.
    quiet_until: Option<SystemTime>,
    /// Whether they are to be replaced before their time.
    is_due: bool,
}

/// What a request's credentials are a copy of.
pub(super) struct Origin {
    resting: Arc<Resting>,
    /// Found before this request, so that newer ones may exist.
    is_kept: bool,
}

impl Origin {
    /// When they end, or are looked for anew.
    pub(super) fn good_until(&self) -> SystemTime {
        self.resting.good_until
    }
}

impl Held {
    pub(super) fn new(finder: Box<dyn Find>, pool: Arc<Pool>) -> Arc<Self> {
        Arc::new(Self {
            finder,
            pool,
            state: Mutex::default(),
            flight: SingleFlight::new(),
        })
    }

    /// The credentials to ask with: those at rest, or new ones. Who asks at the same time shares
    /// one login.
    pub(super) async fn get(self: &Arc<Self>) -> Result<(Credentials, Origin), ProviderError> {
        self.get_at(SystemTime::now()).await
    }

    /// Lets go of credentials that AWS refused; whether newer ones might be had.
    pub(super) fn forget(&self, refused: &Origin) -> bool {
        let mut state = self.state();
        let is_same = |resting: &Arc<Resting>| Arc::ptr_eq(resting, &refused.resting);
        if state.resting.as_ref().is_some_and(is_same) {
            state.resting = None;
        }
        refused.is_kept
    }

    /// Looks for newer ones at the next request, because what was made of these was refused. They
    /// serve on if none are to be had: the request may have been at fault.
    pub(super) fn renew(&self) {
        self.state().is_due = true;
    }

    async fn get_at(
        self: &Arc<Self>,
        now: SystemTime,
    ) -> Result<(Credentials, Origin), ProviderError> {
        let lend = |resting: Arc<Resting>, is_kept| (resting.lend(), Origin { resting, is_kept });
        let still_good = {
            let state = self.state();
            let good = state
                .resting
                .clone()
                .filter(|resting| now < resting.good_until);
            let is_quiet = state.quiet_until.is_some_and(|until| now < until);
            match good {
                Some(resting) if is_quiet || (now < resting.refresh_at && !state.is_due) => {
                    return Ok(lend(resting, true));
                }
                other => other,
            }
        };
        let found = self.flight.join(&(), || {
            let held = Arc::clone(self);
            async move { held.find(now).await }.boxed()
        });
        let Some(old) = still_good else {
            return Ok(lend(found.await?, false));
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(Ok(new)) => return Ok(lend(new, false)),
            Ok(Err(error)) => {
                tracing::warn!(detail = error.detail, "AWS credentials were not renewed");
            }
            Err(_) => tracing::warn!("AWS credentials were not renewed in time"),
        }
        self.state().quiet_until = Some(now + QUIET);
        Ok(lend(old, true))
    }

    async fn find(&self, now: SystemTime) -> Found {
        let credentials = self.finder.find().await?;
        let store = async |text: &str| {
            let stored = self.pool.store(text.as_bytes()).await;
            stored.map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))
        };
        let session_token = match credentials.session_token() {
            Some(token) => Some(store(token).await?),
            None => None,
        };
        let good_until = credentials.expiry().unwrap_or(now + WITHOUT_END);
        let resting = Arc::new(Resting {
            access_key_id: credentials.access_key_id().to_owned(),
            secret: store(credentials.secret_access_key()).await?,
            session_token,
            refresh_at: refresh_at(now, good_until),
            good_until,
        });
        let mut state = self.state();
        state.resting = Some(Arc::clone(&resting));
        state.quiet_until = None;
        state.is_due = false;
        Ok(resting)
    }

    /// Never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Five minutes ahead of the end, or at two thirds of what is left, whichever is later.
fn refresh_at(now: SystemTime, good_until: SystemTime) -> SystemTime {
    let left = good_until.duration_since(now).unwrap_or_default();
    good_until - AHEAD.min(left / 3)
}

#[cfg(test)]
mod tests;

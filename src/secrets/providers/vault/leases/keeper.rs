//! Reads what may be leased and keeps the lease.
//!
//! One task a lease, from the request that makes it to its end: an account that Vault has made is
//! there whether or not a call still waits for it, so the read belongs to nobody who may leave, and
//! whatever it brings is kept or revoked. All tasks belong to [`Leases`] and end with it.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::Shared};
use rustify::endpoint::Endpoint;
use tokio::{sync::oneshot, task::JoinSet};
use vaultrs::api::kv1::requests::GetSecretRequest;

use super::{
    super::{
        answer::{self, Lent},
        session::{Session, Token},
        wire::{Answer, Caller},
    },
    shelf::{Entry, Key, Leased, MOST, MOST_BYTES, NotHeld, Shelf},
    tending::{Kept, Ticket},
    term::{Condition, Term},
};
use crate::secrets::{
    Upkeep,
    memory::Pool,
    providers::{ErrorKind, MAX_VALUE_BYTES, ProviderError},
};

/// How long Vault may take to answer a read, whoever still waits for it. What it answers later is a
/// lease that nobody here ever sees.
const READ: Duration = Duration::from_secs(20);

/// How long all leases together may take to be given back while the process ends.
const CLOSE: Duration = Duration::from_secs(2);

/// What a read brought.
#[derive(Clone)]
pub(in super::super) enum Read {
    Leased(Leased),
    /// Not leased, or a refusal.
    Plain(Arc<Answer>),
}

type Outcome = Result<Read, ProviderError>;

/// The leases of one provider.
pub(in super::super) struct Leases {
    inner: Arc<Inner>,
    /// Apart from what the tasks themselves hold: dropped with the provider, it ends them.
    tasks: Mutex<JoinSet<()>>,
}

/// What the tasks share.
pub(super) struct Inner {
    pub(super) session: Arc<Session>,
    pool: Arc<Pool>,
    shelf: Mutex<Shelf>,
    reads: Mutex<HashMap<Key, Shared<oneshot::Receiver<Outcome>>>>,
    next_number: AtomicU64,
    /// Tells tokens apart without keeping them.
    tokens: RandomState,
    pub(super) has_warned_of_policy: AtomicBool,
}

impl Leases {
    pub(in super::super) fn new(session: Arc<Session>, pool: Arc<Pool>) -> Self {
        Self {
            inner: Arc::new(Inner {
                session,
                pool,
                shelf: Mutex::default(),
                reads: Mutex::default(),
                next_number: AtomicU64::new(1),
                tokens: RandomState::new(),
                has_warned_of_policy: AtomicBool::new(false),
            }),
            tasks: Mutex::new(JoinSet::new()),
        }
    }

    /// The lease that is held for a place, and whether it will do: one that ages, or was made with
    /// a token that we have since replaced, should be replaced too.
    pub(in super::super) fn held(&self, key: &Key) -> Option<(Leased, bool)> {
        let (leased, condition, made_with) = self.inner.shelf().look(key, Instant::now())?;
        // Only a look: whether a lease at hand will do is no reason to log in.
        let session = &self.inner.session;
        let is_of_ours = |token: &Token| self.inner.print(token) == made_with;
        let is_orphan =
            session.makes_tokens() && !session.held_token().is_some_and(|token| is_of_ours(&token));
        Some((leased, condition == Condition::Fresh && !is_orphan))
    }

    /// Promises a lease's value to whoever gets it now; `false` if the lease has just gone.
    pub(in super::super) fn claim(&self, leased: &Leased) -> bool {
        self.inner.shelf().claim(leased)
    }

    /// Reads a place, or joins the read that is under way. `is_engine`: the mount is no KV, so its
    /// answers may be leased. `stale` is the lease that was found to be held and will not do.
    pub(in super::super) async fn read(
        &self,
        key: Key,
        is_engine: bool,
        stale: Option<&Leased>,
        about: &str,
    ) -> Outcome {
        let joined = self.join_read(key, is_engine, stale, about)?;
        // A task is broken off only at the end of the process.
        joined.await.unwrap_or_else(|_| Err(shutting_down()))
    }

    fn join_read(
        &self,
        key: Key,
        is_engine: bool,
        stale: Option<&Leased>,
        about: &str,
    ) -> Result<Shared<oneshot::Receiver<Outcome>>, ProviderError> {
        let (tell, told) = oneshot::channel();
        let told = told.shared();
        let mut reads = self.inner.reads();
        if let Some(read) = reads.get(&key).filter(|read| read.peek().is_none()) {
            return Ok(read.clone());
        }
        // Until the task is among them: whoever closes must not miss it.
        let mut tasks = self.tasks();
        {
            let shelf = self.inner.shelf();
            let now = Instant::now();
            if shelf.is_closed() {
                return Err(shutting_down());
            }
            // A read may have ended since the caller found nothing, or nothing better.
            if let Some((leased, ..)) = shelf.look(&key, now)
                && stale.is_none_or(|stale| stale.number != leased.number)
            {
                let _ = tell.send(Ok(Read::Leased(leased)));
                return Ok(told);
            }
            if is_engine && !shelf.has_room(&key, now) {
                return Err(full(about));
            }
        }
        reads.insert(key.clone(), told.clone());
        let (inner, about) = (Arc::clone(&self.inner), about.to_owned());
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let (outcome, kept) = inner.read(&key, is_engine, &about).await;
            // Before it is told: who comes now finds the lease on the shelf, or reads for itself.
            inner.reads().remove(&key);
            let _ = tell.send(outcome);
            if let Some(kept) = kept {
                inner.keep(kept).await;
            }
        });
        Ok(told)
    }

    /// Gives the lease of a place back, so that the next read makes another.
    pub(in super::super) fn invalidate(&self, key: &Key) {
        if self.inner.shelf().let_go(key) {
            let Key { mount, path, .. } = key;
            tracing::info!(
                mount,
                path,
                "a leased value was refused: giving its lease back"
            );
        }
    }

    /// Gives all leases back, and takes in no more.
    pub(in super::super) async fn close(&self) {
        let mut tasks = {
            let mut tasks = self.tasks();
            self.inner.shelf().close();
            std::mem::take(&mut *tasks)
        };
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE, ended).await.is_err() {
            tracing::warn!(
                address = self.inner.session.wire.address(),
                leases = tasks.len(),
                "leases at Vault are not known to be revoked; they end with the login or by \
                 themselves"
            );
            tasks.shutdown().await;
        }
    }

    /// Never held across an await.
    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Reads, and takes in what is leased.
    async fn read(&self, key: &Key, is_engine: bool, about: &str) -> (Outcome, Option<Kept>) {
        let asked = tokio::time::timeout(READ, self.ask_for(key)).await;
        let (answer, asked_at, made_with) = match asked {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) => return (Err(error), None),
            Err(_) => {
                let detail = format!("{about}: no answer within {READ:?}");
                return (Err(ProviderError::new(ErrorKind::TimedOut, detail)), None);
            }
        };
        let Some(Lent { id, grant }) = answer::lent(&answer, is_engine) else {
            return (Ok(Read::Plain(Arc::new(answer))), None);
        };
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket::new(number, id, key.clone());
        let term = Term::granted(asked_at, grant);
        match self.take_in(&answer, &ticket, term, made_with, about).await {
            Ok((leased, let_go)) => {
                let Key { mount, path, .. } = key;
                let ttl = grant.duration.as_secs();
                tracing::info!(mount, path, version = &*ticket.version, ttl, "lease made");
                self.session.tell(Upkeep::Leased);
                let kept = Kept {
                    ticket,
                    term,
                    let_go,
                };
                (Ok(Read::Leased(leased)), Some(kept))
            }
            Err(error) => {
                self.revoke(&ticket).await;
                (Err(error), None)
            }
        }
    }

    async fn take_in(
        &self,
        answer: &Answer,
        ticket: &Ticket,
        term: Term,
        made_with: u64,
        about: &str,
    ) -> Result<(Leased, oneshot::Receiver<()>), ProviderError> {
        if answer.body.len() > MAX_VALUE_BYTES {
            let detail = format!("{about}: the answer is longer than {MAX_VALUE_BYTES} bytes");
            return Err(ProviderError::new(ErrorKind::Malformed, detail));
        }
        let stored = self.pool.store(&answer.body).await;
        let stored =
            stored.map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))?;
        let leased = Leased {
            number: ticket.number,
            answer: Arc::new(stored),
            version: Arc::clone(&ticket.version),
            ends: term.ends(),
        };
        let (hold, let_go) = oneshot::channel();
        let entry = Entry::new(&leased, term, made_with, hold);
        let put = self.shelf().put(ticket.key.clone(), entry, Instant::now());
        match put {
            Ok(()) => Ok((leased, let_go)),
            Err(NotHeld::Full) => Err(full(about)),
            Err(NotHeld::Closed) => Err(shutting_down()),
        }
    }

    /// The answer, when it was asked for, and the print of the token that asked.
    async fn ask_for(&self, key: &Key) -> Result<(Answer, Instant, u64), ProviderError> {
        let request = || GetSecretRequest {
            mount: key.mount.clone(),
            path: key.path.clone(),
        };
        let (answer, asked_at, token) = self.ask(key, request).await?;
        Ok((answer, asked_at, self.print(&token)))
    }

    /// Asks in a lease's namespace; once again with another token if the first one is dead.
    pub(super) async fn ask<E: Endpoint>(
        &self,
        key: &Key,
        request: impl Fn() -> E,
    ) -> Result<(Answer, Instant, Arc<Token>), ProviderError> {
        let mut token = self.session.token().await?;
        let mut is_second_try = false;
        loop {
            let caller = Caller {
                token: Some(token.as_bytes()),
                namespace: key.namespace.as_deref(),
            };
            let asked_at = Instant::now();
            let answer = self.session.wire.ask(request(), caller).await?;
            if answer.status == 403
                && !is_second_try
                && let Some(newer) = self.session.replace(&token).await?
            {
                (token, is_second_try) = (newer, true);
                continue;
            }
            return Ok((answer, asked_at, token));
        }
    }

    fn print(&self, token: &Token) -> u64 {
        self.tokens.hash_one(token.as_bytes())
    }

    /// Never held across an await.
    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never held across an await.
    fn reads(&self) -> MutexGuard<'_, HashMap<Key, Shared<oneshot::Receiver<Outcome>>>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full(about: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::PoolFull,
        format!(
            "{about}: {MOST} leases of other places are in use, or {MOST_BYTES} bytes of them, and no \
             more are held; name fewer dynamic secrets, or give their roles a shorter `default_ttl`"
        ),
    )
}

fn shutting_down() -> ProviderError {
    ProviderError::new(ErrorKind::LoginFailed, "Keyward is shutting down")
}

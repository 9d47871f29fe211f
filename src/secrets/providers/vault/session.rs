//! What we are logged in to Vault as, for as long as that holds.
//!
//! The token of a login of ours rests in locked memory until the last tenth of its life or until
//! Vault shows that it is dead, and is revoked at the end. A token that somebody else made (a file,
//! a variable) is read anew each time and never revoked. `renewal` prolongs both. Concurrent
//! fetches share one login. It is a task of the session's own, because a login has happened at
//! Vault whether or not a fetch still waits for it: a token that nobody took over would live on
//! there, unknown to us.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use tokio::task::AbortHandle;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RevokeTokenSelfRequest};

pub(super) use super::life::Token;
use super::{
    life::{Fingerprint, Lease, is_denied_by_policy},
    login::{Desk, Login},
    renewal::Renewal,
    wire::{Answer, Caller, Wire},
};
use crate::secrets::{
    SecretRecorder, Upkeep,
    memory::{LockedBuffer, Pool},
    providers::{ErrorKind, ProviderError, json_field},
};

/// How long Vault may take to revoke our token while the process ends.
const REVOKE: Duration = Duration::from_secs(2);

type LoggedIn = Result<Arc<Token>, ProviderError>;

/// A login under way.
#[derive(Clone)]
struct LoginTask {
    outcome: Shared<BoxFuture<'static, LoggedIn>>,
    /// Tells whether it has ended without having said so.
    task: AbortHandle,
}

#[derive(Default)]
struct Held {
    /// The token of our login.
    token: Option<Arc<Token>>,
    /// Of that token.
    renewal: Option<Renewal>,
    /// The last token that somebody else supplied, not held itself, and its renewal.
    supplied: Option<(Fingerprint, Renewal)>,
    /// Tokens of ours that others have taken the place of, and that Vault may still know: fetches
    /// may be under way with them, and leases hang on them.
    superseded: Vec<Arc<Token>>,
    login: Option<LoginTask>,
    is_closed: bool,
}

/// Our standing at one Vault.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) namespace: Option<String>,
    login: Login,
    credentials: Option<PathBuf>,
    pool: Arc<Pool>,
    recorder: Arc<dyn SecretRecorder>,
    held: Mutex<Held>,
}

impl Session {
    pub(super) fn new(
        wire: Wire,
        login: Login,
        namespace: Option<String>,
        credentials: Option<PathBuf>,
        pool: Arc<Pool>,
        recorder: Arc<dyn SecretRecorder>,
    ) -> Arc<Self> {
        Arc::new(Self {
            wire,
            namespace,
            login,
            credentials,
            pool,
            recorder,
            held: Mutex::default(),
        })
    }

    /// The token to ask with: the one we hold, or a new one.
    pub(super) async fn token(self: &Arc<Self>) -> LoggedIn {
        let login = {
            let mut held = self.held();
            if self.makes_tokens() {
                if let Some(token) = held.token.as_ref().filter(|token| token.is_good()) {
                    token.mark_used();
                    return Ok(Arc::clone(token));
                }
                if held.is_closed {
                    return Err(shutting_down());
                }
            }
            let under_way = held.login.clone().filter(|login| !login.task.is_finished());
            under_way.unwrap_or_else(|| held.login.insert(self.start_login()).clone())
        };
        login.outcome.await
    }

    /// The token of our own login, if there is one that is good. Asks nobody.
    pub(super) fn held_token(&self) -> Option<Arc<Token>> {
        let held = self.held();
        held.token.clone().filter(|token| token.is_good())
    }

    /// Logs in whether or not somebody waits for it.
    fn start_login(self: &Arc<Self>) -> LoginTask {
        let session = Arc::clone(self);
        let handle = tokio::spawn(async move {
            let outcome = session.log_in().await;
            // The outcome is for those who wait now: kept here, it would keep the token too.
            session.held().login = None;
            outcome
        });
        let task = handle.abort_handle();
        // A login is broken off only at the end of the process.
        let outcome = handle.map(|ended| ended.unwrap_or_else(|_| Err(shutting_down())));
        LoginTask {
            outcome: outcome.boxed().shared(),
            task,
        }
    }

    /// After a 403 with `token`: a newer one if this one is dead and another can be had, `None` if
    /// the token lives and is merely not allowed.
    pub(super) async fn replace(
        self: &Arc<Self>,
        token: &Arc<Token>,
    ) -> Result<Option<Arc<Token>>, ProviderError> {
        let looked_up = self
            .wire
            .ask(LookupTokenSelfRequest {}, self.caller(token.as_bytes()))
            .await?;
        if looked_up.status != 403 || is_denied_by_policy(&looked_up) {
            return Ok(None);
        }
        {
            let mut held = self.held();
            // Another fetch may already have replaced it.
            if held
                .token
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, token))
            {
                held.token = None;
                held.renewal = None;
            }
        }
        let newer = self.token().await?;
        if newer.as_bytes() == token.as_bytes() {
            return Err(ProviderError::new(
                ErrorKind::LoginFailed,
                format!(
                    "Vault at {} does not know the token {} (expired or revoked)",
                    self.wire.address(),
                    self.source()
                ),
            ));
        }
        Ok(Some(newer))
    }

    /// Revokes our login, if it is ours, and makes no other. A login under way is waited for, as
    /// its token could not be revoked before it is known.
    pub(super) async fn close(&self) {
        let (tokens, login) = {
            let mut held = self.held();
            held.is_closed = true;
            held.renewal = None;
            held.supplied = None;
            let mut tokens = std::mem::take(&mut held.superseded);
            tokens.extend(held.token.take());
            (tokens, held.login.take())
        };
        let ours = tokens.iter().filter(|token| token.may_live());
        let revoked = join_all(ours.map(|token| self.revoke(token)));
        let ended = async {
            let Some(login) = login.filter(|_| self.makes_tokens()) else {
                return;
            };
            if tokio::time::timeout(REVOKE, login.outcome).await.is_err() {
                login.task.abort();
                tracing::warn!(
                    address = self.wire.address(),
                    "a login at Vault was under way and is not known to be revoked; it ends by \
                     itself"
                );
            }
        };
        tokio::join!(revoked, ended);
    }

    pub(super) fn caller<'a>(&'a self, token: &'a [u8]) -> Caller<'a> {
        Caller {
            token: Some(token),
            namespace: self.namespace.as_deref(),
        }
    }

    /// Tells what was done without being asked.
    pub(super) fn tell(&self, upkeep: Upkeep) {
        self.recorder.upkeep("vault", upkeep);
    }

    /// Never held across an await.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a login leaves something behind at Vault.
    pub(super) fn makes_tokens(&self) -> bool {
        matches!(self.login, Login::Made(_))
    }

    /// Whose token it is, as in "the token …".
    pub(super) fn source(&self) -> String {
        self.login.source()
    }

    /// The supplied token as it is now.
    pub(super) async fn supplied(&self) -> Result<Option<Arc<LockedBuffer>>, ProviderError> {
        match &self.login {
            Login::Supplied(supplied) => supplied.token(&self.desk()).await.map(Some),
            Login::Made(_) => Ok(None),
        }
    }

    fn desk(&self) -> Desk<'_> {
        Desk {
            wire: &self.wire,
            namespace: self.namespace.as_deref(),
            credentials: self.credentials.as_deref(),
            pool: &self.pool,
        }
    }

    async fn log_in(self: &Arc<Self>) -> LoggedIn {
        let desk = self.desk();
        match &self.login {
            Login::Supplied(supplied) => {
                let value = supplied.token(&desk).await?;
                let mut held = self.held();
                let is_known = held
                    .supplied
                    .as_ref()
                    .is_some_and(|(then, _)| then.is_of(value.as_slice()));
                if !is_known && !held.is_closed {
                    let which = Fingerprint::of(value.as_slice());
                    held.supplied = Some((which.clone(), Renewal::of_supplied(self, which)));
                }
                Ok(Arc::new(Token::new(value, None)))
            }
            Login::Made(method) => {
                // Whoever waited behind a login that has just ended finds its token here.
                if let Some(token) = self.held().token.clone().filter(|token| token.is_good()) {
                    token.mark_used();
                    return Ok(token);
                }
                let asked = Instant::now();
                let answer = method.log_in(&desk).await?;
                let token = Arc::new(self.token_in(&answer, asked).await?);
                token.mark_used();
                self.tell(Upkeep::LoggedIn);
                self.hold(&token).await?;
                Ok(token)
            }
        }
    }

    async fn token_in(&self, answer: &Answer, asked: Instant) -> Result<Token, ProviderError> {
        let steps = ["auth".to_owned(), "client_token".to_owned()];
        let text = json_field::find(&answer.body, &steps);
        let lease = Lease::of_login(answer, asked);
        let (Some(text), Some(lease)) = (text.ok().filter(|t| !t.as_bytes().is_empty()), lease)
        else {
            let detail = format!(
                "Vault at {} answered a login without a token: does it ask for a second factor, \
                 or is something else at this address?",
                self.wire.address()
            );
            return Err(ProviderError::new(ErrorKind::LoginFailed, detail));
        };
        match self.pool.store(text.as_bytes()).await {
            Ok(value) => Ok(Token::new(Arc::new(value), Some(lease))),
            Err(full) => {
                // Nobody could revoke it later.
                self.revoke_bytes(text.as_bytes()).await;
                Err(ProviderError::new(ErrorKind::PoolFull, full.to_string()))
            }
        }
    }

    /// Keeps a token for the next fetches, unless we are already closing: then nobody would revoke
    /// it later.
    async fn hold(self: &Arc<Self>, token: &Arc<Token>) -> Result<(), ProviderError> {
        let is_closed = {
            let mut held = self.held();
            if !held.is_closed {
                let before = held.token.replace(Arc::clone(token));
                held.superseded.extend(before);
                held.superseded.retain(|token| token.may_live());
                held.renewal = Renewal::of_made(self, token);
            }
            held.is_closed
        };
        if is_closed {
            self.revoke(token).await;
            return Err(shutting_down());
        }
        Ok(())
    }

    async fn revoke(&self, token: &Token) {
        // A batch token ends by itself, and Vault refuses to hear of revoking it.
        if !token.lease().is_some_and(|lease| lease.is_batch) {
            self.revoke_bytes(token.as_bytes()).await;
        }
    }

    async fn revoke_bytes(&self, token: &[u8]) {
        let revoking = self.wire.ask(RevokeTokenSelfRequest {}, self.caller(token));
        let address = self.wire.address();
        match tokio::time::timeout(REVOKE, revoking).await {
            Ok(Ok(answer)) if (200..=299).contains(&answer.status) => {
                tracing::debug!(address, "revoked the login at Vault");
                self.tell(Upkeep::Revoked);
            }
            // It is dead already, which is as good.
            Ok(Ok(answer)) if answer.status == 403 => {}
            _ => {
                tracing::warn!(
                    address,
                    "the login at Vault was not revoked; it ends by itself"
                );
                self.tell(Upkeep::Failed);
            }
        }
    }
}

fn shutting_down() -> ProviderError {
    ProviderError::new(ErrorKind::LoginFailed, "Keyward is shutting down")
}

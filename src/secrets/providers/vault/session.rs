//! What we are logged in to Vault as, for as long as that holds.
//!
//! The token of a login of ours rests in locked memory until nine tenths of its life or until
//! Vault shows that it is dead, and is revoked at the end. A token that somebody else made (a file,
//! a variable) is read anew each time and never revoked. Concurrent fetches share one login. It is
//! a task of the session's own, because a login has happened at Vault whether or not a fetch still
//! waits for it: a token that nobody took over would live on there, unknown to us.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::task::AbortHandle;
use vaultrs::api::{
    auth::approle::requests::LoginWithApproleRequest,
    token::requests::{LookupTokenSelfRequest, RevokeTokenSelfRequest},
};

use super::{
    answer::{failure, is_refusal_of_vault, lifetime},
    wire::{Answer, Caller, Wire},
};
use crate::secrets::{
    memory::{LockedBuffer, Pool, TakenEnvironment},
    providers::{ErrorKind, ProviderError, json_field, secret_file, value},
};

/// Where a token may be, in the order in which they are asked.
const TOKEN_VARIABLES: [&str; 2] = ["BAO_TOKEN", "VAULT_TOKEN"];

/// The longest token or secret id, batch tokens included.
const MAX_TOKEN_BYTES: usize = 4096;

/// How long Vault may take to revoke our token while the process ends.
const REVOKE: Duration = Duration::from_secs(2);

/// How long Vault may take to answer a login, whoever still waits for it. What it answers later is
/// a token that nobody here ever sees.
const LOG_IN: Duration = Duration::from_secs(60);

/// How to log in.
pub(super) enum Login {
    Environment(Arc<TakenEnvironment>),
    TokenFile(PathBuf),
    AppRole {
        role_id: String,
        secret_id_file: PathBuf,
        mount: String,
    },
}

/// A token that Vault took, at least a moment ago.
pub(super) struct Token {
    value: Arc<LockedBuffer>,
    /// `None`: it does not end by itself.
    good_until: Option<Instant>,
}

impl Token {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.value.as_slice()
    }

    fn is_good(&self) -> bool {
        self.good_until.is_none_or(|end| Instant::now() < end)
    }
}

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
    token: Option<Arc<Token>>,
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
    held: Mutex<Held>,
}

impl Session {
    pub(super) fn new(
        wire: Wire,
        login: Login,
        namespace: Option<String>,
        credentials: Option<PathBuf>,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            wire,
            namespace,
            login,
            credentials,
            pool,
            held: Mutex::default(),
        })
    }

    /// The token to ask with: the one we hold, or a new one.
    pub(super) async fn token(self: &Arc<Self>) -> LoggedIn {
        let login = {
            let mut held = self.held();
            if let Some(token) = held.token.as_ref().filter(|token| token.is_good()) {
                return Ok(Arc::clone(token));
            }
            if held.is_closed && self.makes_tokens() {
                return Err(shutting_down());
            }
            let under_way = held.login.clone().filter(|login| !login.task.is_finished());
            under_way.unwrap_or_else(|| held.login.insert(self.start_login()).clone())
        };
        login.outcome.await
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
        if looked_up.status != 403 {
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
        let (token, login) = {
            let mut held = self.held();
            held.is_closed = true;
            (held.token.take(), held.login.take())
        };
        let revoked = async {
            if let Some(token) = token {
                self.revoke(token.as_bytes()).await;
            }
        };
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

    fn caller<'a>(&'a self, token: &'a [u8]) -> Caller<'a> {
        Caller {
            token: Some(token),
            namespace: self.namespace.as_deref(),
        }
    }

    /// Never held across an await.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a login leaves something behind at Vault.
    fn makes_tokens(&self) -> bool {
        matches!(self.login, Login::AppRole { .. })
    }

    fn source(&self) -> String {
        match &self.login {
            Login::Environment(_) => "in BAO_TOKEN or VAULT_TOKEN".to_owned(),
            Login::TokenFile(path) => format!("in {}", path.display()),
            Login::AppRole { mount, .. } => format!("of the AppRole login at `{mount}`"),
        }
    }

    async fn log_in(&self) -> LoggedIn {
        match &self.login {
            Login::Environment(taken) => self.in_environment(taken),
            Login::TokenFile(path) => {
                let bytes = self.read_file(path, "token_file").await?;
                let token = value::without_line_end(&bytes);
                value::check(token, &format!("the token in {}", path.display()))?;
                Ok(Arc::new(Token {
                    value: Arc::new(self.store(token).await?),
                    good_until: None,
                }))
            }
            Login::AppRole {
                role_id,
                secret_id_file,
                mount,
            } => {
                // Whoever waited behind a login that has just ended finds its token here.
                if let Some(token) = self.held().token.clone().filter(|token| token.is_good()) {
                    return Ok(token);
                }
                let answer = self.ask_for_token(role_id, secret_id_file, mount).await?;
                let token = Arc::new(self.token_in(&answer).await?);
                self.hold(&token).await?;
                Ok(token)
            }
        }
    }

    fn in_environment(&self, taken: &TakenEnvironment) -> LoggedIn {
        match TOKEN_VARIABLES.iter().find_map(|name| taken.get(name)) {
            Some(value) => Ok(Arc::new(Token {
                value,
                good_until: None,
            })),
            None => Err(ProviderError::new(
                ErrorKind::LoginFailed,
                "`secrets.providers.vault.auth` is not set, and neither BAO_TOKEN nor VAULT_TOKEN \
                 held a token at start",
            )),
        }
    }

    /// The one place where a secret id is a `String`: vaultrs' request wants it so. It lives as
    /// long as the request.
    async fn ask_for_token(
        &self,
        role_id: &str,
        secret_id_file: &Path,
        mount: &str,
    ) -> Result<Answer, ProviderError> {
        let secret_id = self
            .read_file(secret_id_file, "approle.secret_id_file")
            .await?;
        let secret_id = value::without_line_end(&secret_id);
        let place = format!("the secret id in {}", secret_id_file.display());
        value::check(secret_id, &place)?;
        let secret_id = std::str::from_utf8(secret_id).map_err(|_| {
            ProviderError::new(ErrorKind::Malformed, format!("{place} is not text"))
        })?;
        let request = LoginWithApproleRequest {
            mount: mount.to_owned(),
            role_id: role_id.to_owned(),
            secret_id: secret_id.to_owned(),
        };
        let caller = Caller {
            token: None,
            namespace: self.namespace.as_deref(),
        };
        let about = format!(
            "Vault at {}: AppRole login at `{mount}`",
            self.wire.address()
        );
        let asked = tokio::time::timeout(LOG_IN, self.wire.ask(request, caller)).await;
        let answer = asked.unwrap_or_else(|_| {
            let detail = format!("{about}: no answer within {LOG_IN:?}");
            Err(ProviderError::new(ErrorKind::TimedOut, detail))
        })?;
        let refused = |what: &str| {
            Err(ProviderError::new(
                ErrorKind::LoginFailed,
                format!("{about}: {what}"),
            ))
        };
        let is_of_vault = is_refusal_of_vault(&answer);
        match answer.status {
            200..=299 => Ok(answer),
            400 | 401 | 403
                if is_of_vault && failure(&answer, "").kind == ErrorKind::Misconfigured =>
            {
                refused(&format!(
                    "refused; the role id is wrong, or {place} is wrong, expired or used up"
                ))
            }
            404 if is_of_vault => {
                refused("no such login: is AppRole enabled at this `mount`, in this `namespace`?")
            }
            _ => Err(failure(&answer, &about)),
        }
    }

    async fn token_in(&self, answer: &Answer) -> Result<Token, ProviderError> {
        let steps = ["auth".to_owned(), "client_token".to_owned()];
        let (Ok(text), Some(seconds)) = (json_field::find(&answer.body, &steps), lifetime(answer))
        else {
            let detail = format!(
                "Vault at {} answered a login without a token",
                self.wire.address()
            );
            return Err(ProviderError::new(ErrorKind::LoginFailed, detail));
        };
        let life = Duration::from_secs(seconds).mul_f64(0.9);
        let value = match self.store(text.as_bytes()).await {
            Ok(value) => Arc::new(value),
            Err(error) => {
                // Nobody could revoke it later.
                self.revoke(text.as_bytes()).await;
                return Err(error);
            }
        };
        Ok(Token {
            value,
            good_until: (seconds > 0)
                .then(|| Instant::now().checked_add(life))
                .flatten(),
        })
    }

    /// Keeps a token for the next fetches, unless we are already closing: then nobody would revoke
    /// it later.
    async fn hold(&self, token: &Arc<Token>) -> Result<(), ProviderError> {
        let is_closed = {
            let mut held = self.held();
            if !held.is_closed {
                held.token = Some(Arc::clone(token));
            }
            held.is_closed
        };
        if is_closed {
            self.revoke(token.as_bytes()).await;
            return Err(shutting_down());
        }
        Ok(())
    }

    async fn revoke(&self, token: &[u8]) {
        let revoking = self.wire.ask(RevokeTokenSelfRequest {}, self.caller(token));
        let address = self.wire.address();
        match tokio::time::timeout(REVOKE, revoking).await {
            Ok(Ok(answer)) if (200..=299).contains(&answer.status) => {
                tracing::debug!(address, "revoked the login at Vault");
            }
            // It is dead already, which is as good.
            Ok(Ok(answer)) if answer.status == 403 => {}
            _ => tracing::warn!(
                address,
                "the login at Vault was not revoked; it ends by itself"
            ),
        }
    }

    async fn read_file(
        &self,
        path: &Path,
        setting: &str,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, ProviderError> {
        let read =
            secret_file::read(path.to_owned(), self.credentials.clone(), MAX_TOKEN_BYTES).await;
        match read {
            Ok(Some(contents)) => Ok(contents.bytes),
            Ok(None) => Err(ProviderError::new(
                ErrorKind::LoginFailed,
                format!(
                    "the file {}, named by `secrets.providers.vault.auth.{setting}`, does not exist",
                    path.display()
                ),
            )),
            Err(error) => Err(error),
        }
    }

    async fn store(&self, token: &[u8]) -> Result<LockedBuffer, ProviderError> {
        self.pool
            .store(token)
            .await
            .map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))
    }
}

fn shutting_down() -> ProviderError {
    ProviderError::new(ErrorKind::LoginFailed, "Keyward is shutting down")
}

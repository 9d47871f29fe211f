//! What we are logged in to Vault as, for as long as that holds.
//!
//! The token of a login of ours rests in locked memory until nine tenths of its life or until
//! Vault shows that it is dead, and is revoked at the end. A token that somebody else made (a file,
//! a variable) is read anew each time and never revoked. Concurrent fetches share one login.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

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
    single_flight::SingleFlight,
};

/// Where a token may be, in the order in which they are asked.
const TOKEN_VARIABLES: [&str; 2] = ["BAO_TOKEN", "VAULT_TOKEN"];

/// The longest token or secret id, batch tokens included.
const MAX_TOKEN_BYTES: usize = 4096;

/// How long Vault may take to revoke our token while the process ends.
const REVOKE: Duration = Duration::from_secs(2);

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

#[derive(Default)]
struct Held {
    token: Option<Arc<Token>>,
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
    logins: SingleFlight<(), Result<Arc<Token>, ProviderError>>,
}

impl Session {
    pub(super) fn new(
        wire: Wire,
        login: Login,
        namespace: Option<String>,
        credentials: Option<PathBuf>,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        let (held, logins) = (Mutex::default(), SingleFlight::new());
        Arc::new(Self {
            wire,
            namespace,
            login,
            credentials,
            pool,
            held,
            logins,
        })
    }

    /// The token to ask with: the one we hold, or a new one.
    pub(super) async fn token(self: &Arc<Self>) -> Result<Arc<Token>, ProviderError> {
        if let Some(token) = self.held().token.clone().filter(|token| token.is_good()) {
            return Ok(token);
        }
        let session = Arc::clone(self);
        self.logins
            .join(&(), || Box::pin(async move { session.log_in().await }))
            .await
    }

    /// After a 403 with `token`: a newer one if this one is dead and another can be had, `None` if
    /// the token lives and is merely not allowed.
    pub(super) async fn replace(
        self: &Arc<Self>,
        token: &Arc<Token>,
    ) -> Result<Option<Arc<Token>>, ProviderError> {
        let looked_up = self
            .wire
            .ask(LookupTokenSelfRequest {}, self.caller(token))
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

    /// Revokes our login, if it is ours, and makes no other.
    pub(super) async fn close(&self) {
        let token = {
            let mut held = self.held();
            held.is_closed = true;
            held.token.take()
        };
        if let Some(token) = token {
            self.revoke(&token).await;
        }
    }

    fn caller<'a>(&'a self, token: &'a Token) -> Caller<'a> {
        Caller {
            token: Some(token.as_bytes()),
            namespace: self.namespace.as_deref(),
        }
    }

    /// Never held across an await.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn source(&self) -> String {
        match &self.login {
            Login::Environment(_) => "in BAO_TOKEN or VAULT_TOKEN".to_owned(),
            Login::TokenFile(path) => format!("in {}", path.display()),
            Login::AppRole { mount, .. } => format!("of the AppRole login at `{mount}`"),
        }
    }

    async fn log_in(&self) -> Result<Arc<Token>, ProviderError> {
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

    fn in_environment(&self, taken: &TakenEnvironment) -> Result<Arc<Token>, ProviderError> {
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
        let answer = self.wire.ask(request, caller).await?;
        let about = format!(
            "Vault at {}: AppRole login at `{mount}`",
            self.wire.address()
        );
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
        Ok(Token {
            value: Arc::new(self.store(text.as_bytes()).await?),
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
            self.revoke(token).await;
            return Err(ProviderError::new(
                ErrorKind::LoginFailed,
                "Keyward is shutting down",
            ));
        }
        Ok(())
    }

    async fn revoke(&self, token: &Token) {
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

//! The provider itself: one fetch, from login to value.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
};
use vaultrs::api::{kv1, kv2};

use super::{
    answer::{self, Reading},
    kv::{KvSettings, KvVersion},
    place::{Place, validate},
    session::Session,
    wire::{Answer, Caller},
};
use crate::secrets::{
    Reference, SecretName,
    providers::{
        ErrorKind, Fetch, Found, Limits, Lookup, OnError, Presence, ProviderError, SecretProvider,
        template::Template, value,
    },
};

/// Keys in Vault or OpenBao.
pub(super) struct VaultProvider {
    session: Arc<Session>,
    lookup: Option<Template>,
    kv: KvSettings,
    limits: Limits,
    on_error: OnError,
    /// What `auto` has learnt, by namespace and mount; as many as references name.
    learnt: Mutex<HashMap<(String, String), KvVersion>>,
}

impl VaultProvider {
    pub(super) fn new(
        session: Arc<Session>,
        lookup: Option<Template>,
        kv: KvSettings,
        limits: Limits,
        on_error: OnError,
    ) -> Self {
        Self {
            session,
            lookup,
            kv,
            limits,
            on_error,
            learnt: Mutex::default(),
        }
    }

    async fn look_up(&self, fetch: Fetch<'_>) -> Result<Lookup, ProviderError> {
        let place = Place::of(fetch.reference)
            .map_err(|detail| ProviderError::new(ErrorKind::Misconfigured, detail))?;
        let namespace = place.namespace.or(self.session.namespace.as_deref());
        let about = self.about(&place, namespace);
        let mut token = self.session.token().await?;
        let mut is_second_try = false;
        let mut told = None;
        loop {
            let caller = Caller {
                token: Some(token.as_bytes()),
                namespace,
            };
            let kv = match self.known(&place, namespace, told) {
                Some(kv) => kv,
                None => *told.insert(self.describe(&place, caller, &about).await?),
            };
            let kv = match kv {
                // If Vault would not tell, reading as version 2 shows why: no such mount, or no
                // permission.
                KvVersion::Auto => KvVersion::V2,
                kv => kv,
            };
            let answer = self.read(&place, kv, caller, &about).await?;
            let outcome = match answer::read(&answer, kv, &place, &about) {
                // Once: a second 403 is the policy's word.
                Ok(Reading::Denied) if !is_second_try => {
                    match self.session.replace(&token).await? {
                        Some(newer) => {
                            (token, is_second_try) = (newer, true);
                            continue;
                        }
                        None => Err(denied(&about)),
                    }
                }
                Ok(Reading::Denied) => Err(denied(&about)),
                Ok(Reading::Miss) => {
                    let now = match told {
                        Some(now) => now,
                        None => *told.insert(self.describe(&place, caller, &about).await?),
                    };
                    if self.is_another(&place, kv, now, &about)? {
                        continue;
                    }
                    if kv == KvVersion::V2 && place.path.starts_with("data/") {
                        tracing::warn!("{about}: not found; a reference leaves KV's `data/` out");
                    }
                    Ok(Lookup::Miss)
                }
                Ok(Reading::Value {
                    text,
                    version,
                    created_at,
                }) => {
                    value::check(text.as_bytes(), &format!("{about}: the field"))?;
                    let stored = fetch.pool.store(text.as_bytes()).await;
                    let value = stored.map_err(|full| {
                        ProviderError::new(ErrorKind::PoolFull, full.to_string())
                    })?;
                    Ok(Lookup::Found(Found {
                        value: Arc::new(value),
                        version,
                        created_at,
                        expires_at: None,
                    }))
                }
                Err(error) => Err(error),
            };
            if outcome
                .as_ref()
                .is_err_and(|error| error.kind == ErrorKind::Misconfigured)
            {
                // The mount may have been made anew since `auto` learnt its version.
                self.forget(&place, namespace);
            }
            return outcome;
        }
    }

    async fn read(
        &self,
        place: &Place<'_>,
        kv: KvVersion,
        caller: Caller<'_>,
        about: &str,
    ) -> Result<Answer, ProviderError> {
        let (mount, path) = (place.mount.to_owned(), place.path.to_owned());
        let wire = &self.session.wire;
        match kv {
            KvVersion::V1 if place.version.is_some() => {
                // Another one may be there by the next fetch.
                self.forget(place, caller.namespace);
                Err(ProviderError::new(
                    ErrorKind::Misconfigured,
                    format!(
                        "{about}: `?version=` is for KV version 2, and this mount is version 1"
                    ),
                ))
            }
            KvVersion::V1 => {
                let request = kv1::requests::GetSecretRequest { mount, path };
                wire.ask(request, caller).await
            }
            KvVersion::V2 | KvVersion::Auto => {
                let version = place.version;
                let request = kv2::requests::ReadSecretRequest {
                    mount,
                    path,
                    version,
                };
                wire.ask(request, caller).await
            }
        }
    }

    /// The version of KV that is set for a mount, was `told` in this very fetch, or was learnt.
    fn known(
        &self,
        place: &Place<'_>,
        namespace: Option<&str>,
        told: Option<KvVersion>,
    ) -> Option<KvVersion> {
        match (self.kv.of(place.mount), told) {
            (KvVersion::Auto, Some(told @ (KvVersion::V1 | KvVersion::V2))) => Some(told),
            (KvVersion::Auto, _) => self.learnt().get(&learnt_key(place, namespace)).copied(),
            (set, _) => Some(set),
        }
    }

    /// What the mount is by Vault's own word, which is remembered; [`KvVersion::Auto`] if Vault
    /// would not tell.
    async fn describe(
        &self,
        place: &Place<'_>,
        caller: Caller<'_>,
        about: &str,
    ) -> Result<KvVersion, ProviderError> {
        let request = DescribeMount { mount: place.mount };
        let answer = self.session.wire.ask(request, caller).await?;
        match answer::kv_version(&answer) {
            Some(version) => {
                let key = learnt_key(place, caller.namespace);
                self.learnt().insert(key, version);
                Ok(version)
            }
            None if matches!(answer.status, 200 | 403 | 404) => Ok(KvVersion::Auto),
            None => Err(answer::failure(&answer, about)),
        }
    }

    /// Whether a miss on a mount asked as version `asked` must be asked again, because the mount
    /// is another one `now`: it was made anew under its old name since `auto` learnt it.
    ///
    /// A setting is not overruled but is corrected by whoever made it. If Vault does not tell, a
    /// setting is believed; without one nobody is sure, so the miss is not believed either.
    fn is_another(
        &self,
        place: &Place<'_>,
        asked: KvVersion,
        now: KvVersion,
        about: &str,
    ) -> Result<bool, ProviderError> {
        let is_set = self.kv.of(place.mount) != KvVersion::Auto;
        let what = match now {
            KvVersion::Auto if is_set => return Ok(false),
            KvVersion::Auto => {
                "Vault does not tell this token what the mount is, so that nothing is found there \
                 proves nothing; set `secrets.providers.vault.kv` for it"
            }
            _ if now == asked => return Ok(false),
            _ if !is_set => return Ok(true),
            KvVersion::V1 => {
                "the mount is not KV version 2; set `secrets.providers.vault.kv` to 1 for it, or \
                 to auto"
            }
            KvVersion::V2 => {
                "the mount is KV version 2; set `secrets.providers.vault.kv` to 2 for it, or to \
                 auto"
            }
        };
        Err(ProviderError::new(
            ErrorKind::Misconfigured,
            format!("{about}: {what}"),
        ))
    }

    fn forget(&self, place: &Place<'_>, namespace: Option<&str>) {
        self.learnt().remove(&learnt_key(place, namespace));
    }

    /// Never held across an await.
    fn learnt(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), KvVersion>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn about(&self, place: &Place<'_>, namespace: Option<&str>) -> String {
        let (mount, path) = (place.mount, place.path);
        let address = self.session.wire.address();
        match namespace {
            Some(namespace) => {
                format!(
                    "Vault at {address}, namespace `{namespace}`, mount `{mount}`, path `{path}`"
                )
            }
            None => format!("Vault at {address}, mount `{mount}`, path `{path}`"),
        }
    }
}

fn learnt_key(place: &Place<'_>, namespace: Option<&str>) -> (String, String) {
    (
        namespace.unwrap_or_default().to_owned(),
        place.mount.to_owned(),
    )
}

fn denied(about: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::Forbidden,
        format!("{about}: the token's policies do not allow this read (or there is no such mount)"),
    )
}

impl SecretProvider for VaultProvider {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn locate(&self, name: &SecretName) -> Option<Reference> {
        self.lookup.as_ref()?.locate(name)
    }

    fn validate(&self, reference: &Reference) -> Result<(), String> {
        validate(reference)
    }

    fn presence(&self, _: &Reference) -> Presence {
        Presence::Unknown
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        Box::pin(self.look_up(fetch))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.session.close())
    }
}

/// `GET sys/internal/ui/mounts/{mount}`, which tells any token with a right below a mount what the
/// mount is. vaultrs has no type for it.
struct DescribeMount<'a> {
    mount: &'a str,
}

#[async_trait]
impl Endpoint for DescribeMount<'_> {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("sys/internal/ui/mounts/{}", self.mount)
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::GET
    }
}

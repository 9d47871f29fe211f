//! The provider itself: one fetch, from login to value.

use std::{sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use vaultrs::api::kv2;

use super::{
    answer::{self, Reading},
    kv::{Engine, KvSettings, KvVersion},
    leases::{Key, Leased, Leases, Read},
    mounts::{Mounts, Told},
    place::{Place, validate},
    session::Session,
    wire::Caller,
};
use crate::secrets::{
    Reference, SecretName,
    memory::{LockedBuffer, Pool, PoolFull},
    providers::{
        ErrorKind, Fetch, Found, Limits, Lookup, OnError, Presence, ProviderError, SecretProvider,
        json_field::Text, template::Template, value,
    },
};

/// Keys in Vault or OpenBao.
pub(super) struct VaultProvider {
    session: Arc<Session>,
    lookup: Option<Template>,
    mounts: Mounts,
    limits: Limits,
    on_error: OnError,
    leases: Leases,
}

impl VaultProvider {
    pub(super) fn new(
        session: Arc<Session>,
        lookup: Option<Template>,
        kv: KvSettings,
        limits: Limits,
        on_error: OnError,
        pool: Arc<Pool>,
    ) -> Self {
        Self {
            leases: Leases::new(Arc::clone(&session), pool),
            mounts: Mounts::new(kv),
            session,
            lookup,
            limits,
            on_error,
        }
    }

    async fn look_up(&self, fetch: Fetch<'_>) -> Result<Lookup, ProviderError> {
        let place = Place::of(fetch.reference)
            .map_err(|detail| ProviderError::new(ErrorKind::Misconfigured, detail))?;
        let namespace = place.namespace.or(self.session.namespace.as_deref());
        let about = self.about(&place, namespace);
        let ageing = match place.version {
            None => self.leases.held(&lease_key(&place, namespace)),
            Some(_) => None,
        };
        let ageing = ageing.map(|(leased, _)| leased);
        self.ask(&place, namespace, ageing.as_ref(), fetch.pool, &about)
            .await
    }

    /// The value of a lease that is held: one that is not due for replacement, or as a last resort
    /// one that has not ended.
    async fn leased(
        &self,
        fetch: Fetch<'_>,
        is_last_resort: bool,
    ) -> Option<Result<Lookup, ProviderError>> {
        let place = Place::of(fetch.reference).ok()?;
        if place.version.is_some() {
            return None;
        }
        let namespace = place.namespace.or(self.session.namespace.as_deref());
        let (leased, is_fresh) = self.leases.held(&lease_key(&place, namespace))?;
        let is_usable = is_fresh || is_last_resort && Instant::now() < leased.ends;
        if !is_usable || !self.leases.claim(&leased) {
            return None;
        }
        let about = self.about(&place, namespace);
        Some(self.hand_out(&leased, &place, fetch.pool, &about).await)
    }

    async fn ask(
        &self,
        place: &Place<'_>,
        namespace: Option<&str>,
        stale: Option<&Leased>,
        pool: &Pool,
        about: &str,
    ) -> Result<Lookup, ProviderError> {
        let set = self.mounts.set(place);
        let mut token = self.session.token().await?;
        let mut is_second_try = false;
        let mut told = None;
        loop {
            let caller = Caller {
                token: Some(token.as_bytes()),
                namespace,
            };
            let engine = match (set, told, self.mounts.known(place, namespace)) {
                (KvVersion::V1, ..) => Engine::Kv1,
                (KvVersion::V2, ..) => Engine::Kv2,
                (KvVersion::Auto, Some(Told::It(engine)), _) => engine,
                (KvVersion::Auto, None, Some(learnt)) => learnt,
                (KvVersion::Auto, None, None) => {
                    told = Some(
                        self.mounts
                            .describe(&self.session.wire, place, caller, about)
                            .await?,
                    );
                    continue;
                }
                // Reading as version 2 shows why Vault would not tell: no such mount, or no
                // permission.
                (KvVersion::Auto, Some(Told::Nothing), _) => Engine::Kv2,
            };
            let answer = match self.read(place, engine, stale, caller, about).await? {
                Read::Plain(answer) => answer,
                Read::Leased(leased) => {
                    self.leases.claim(&leased);
                    return self.hand_out(&leased, place, pool, about).await;
                }
            };
            let outcome = match answer::read(&answer, engine, place, about) {
                // Once: a second 403 is the policy's word. Other reads have tried twice already.
                Ok(Reading::Denied) if !is_second_try && engine == Engine::Kv2 => {
                    match self.session.replace(&token).await? {
                        Some(newer) => {
                            (token, is_second_try) = (newer, true);
                            continue;
                        }
                        None => Err(denied(about)),
                    }
                }
                Ok(Reading::Denied) => Err(denied(about)),
                Ok(Reading::Miss) => {
                    let now = match told {
                        Some(now) => now,
                        None => *told.insert(
                            self.mounts
                                .describe(&self.session.wire, place, caller, about)
                                .await?,
                        ),
                    };
                    if self.mounts.is_another(place, engine, now, about)? {
                        continue;
                    }
                    if engine == Engine::Kv2 && place.path.starts_with("data/") {
                        tracing::warn!("{about}: not found; a reference leaves KV's `data/` out");
                    }
                    Ok(Lookup::Miss)
                }
                Ok(Reading::Value {
                    text,
                    version,
                    created_at,
                }) => {
                    let value = stored(&text, pool, about).await?;
                    Ok(Lookup::Found(Found {
                        value,
                        version,
                        created_at,
                        expires_at: None,
                    }))
                }
                Err(error) => Err(error),
            };
            let is_odd = outcome
                .as_ref()
                .is_err_and(|error| error.kind == ErrorKind::Misconfigured);
            // The mount may have been made anew since `auto` learnt what it is.
            if is_odd && set == KvVersion::Auto {
                if told.is_none()
                    && let Ok(now) = self
                        .mounts
                        .describe(&self.session.wire, place, caller, about)
                        .await
                {
                    told = Some(now);
                    if matches!(now, Told::It(now) if now != engine) {
                        continue;
                    }
                }
                self.mounts.forget(place, namespace);
            }
            return outcome;
        }
    }

    async fn read(
        &self,
        place: &Place<'_>,
        engine: Engine,
        stale: Option<&Leased>,
        caller: Caller<'_>,
        about: &str,
    ) -> Result<Read, ProviderError> {
        if engine == Engine::Kv2 {
            let request = kv2::requests::ReadSecretRequest {
                mount: place.mount.to_owned(),
                path: place.path.to_owned(),
                version: place.version,
            };
            let answer = self.session.wire.ask(request, caller).await?;
            return Ok(Read::Plain(Arc::new(answer)));
        }
        if place.version.is_some() {
            // Another one may be there by the next fetch.
            self.mounts.forget(place, caller.namespace);
            let what = match engine {
                Engine::Other => "is no KV engine",
                _ => "is version 1",
            };
            let detail = format!("{about}: `?version=` is for KV version 2, and this mount {what}");
            return Err(ProviderError::new(ErrorKind::Misconfigured, detail));
        }
        let key = lease_key(place, caller.namespace);
        self.leases
            .read(key, engine == Engine::Other, stale, about)
            .await
    }

    async fn hand_out(
        &self,
        leased: &Leased,
        place: &Place<'_>,
        pool: &Pool,
        about: &str,
    ) -> Result<Lookup, ProviderError> {
        let text = answer::plain_field(leased.answer.as_slice(), place, about)?;
        let value = stored(&text, pool, about).await?;
        Ok(Lookup::Found(Found {
            value,
            version: Some(leased.version.to_string()),
            created_at: None,
            expires_at: Some(leased.ends),
        }))
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

/// The field's text, checked and put into locked memory.
async fn stored(
    text: &Text<'_>,
    pool: &Pool,
    about: &str,
) -> Result<Arc<LockedBuffer>, ProviderError> {
    value::check(text.as_bytes(), &format!("{about}: the field"))?;
    let stored = pool.store(text.as_bytes()).await;
    let full = |full: PoolFull| ProviderError::new(ErrorKind::PoolFull, full.to_string());
    Ok(Arc::new(stored.map_err(full)?))
}

fn lease_key(place: &Place<'_>, namespace: Option<&str>) -> Key {
    Key {
        namespace: namespace.map(str::to_owned),
        mount: place.mount.to_owned(),
        path: place.path.to_owned(),
    }
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

    fn at_hand<'a>(
        &'a self,
        fetch: Fetch<'a>,
        is_last_resort: bool,
    ) -> BoxFuture<'a, Option<Result<Lookup, ProviderError>>> {
        Box::pin(self.leased(fetch, is_last_resort))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn invalidate<'a>(&'a self, reference: &'a Reference) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Ok(place) = Place::of(reference) {
                let namespace = place.namespace.or(self.session.namespace.as_deref());
                self.leases.invalidate(&lease_key(&place, namespace));
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // While the login lives: giving leases back needs it.
            self.leases.close().await;
            self.session.close().await;
        })
    }
}

//! What is mounted where: as it is set, or as Vault says and `auto` remembers.
//!
//! Apart from the provider because mounts are remade under their old names, and a miss is believed
//! only of a mount that is still what it was asked as.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
};

use super::{
    answer,
    kv::{Engine, KvSettings, KvVersion},
    place::Place,
    wire::{Caller, Wire},
};
use crate::secrets::providers::{ErrorKind, ProviderError};

/// The mounts of one Vault.
pub(super) struct Mounts {
    kv: KvSettings,
    /// What `auto` has learnt, by namespace and mount; as many as references name.
    learnt: Mutex<HashMap<(String, String), Engine>>,
}

/// What Vault said of a mount in this very fetch.
#[derive(Clone, Copy)]
pub(super) enum Told {
    It(Engine),
    /// It would not tell this token.
    Nothing,
}

impl Mounts {
    pub(super) fn new(kv: KvSettings) -> Self {
        Self {
            kv,
            learnt: Mutex::default(),
        }
    }

    /// What the settings say of the mount.
    pub(super) fn set(&self, place: &Place<'_>) -> KvVersion {
        self.kv.of(place.mount)
    }

    pub(super) fn known(&self, place: &Place<'_>, namespace: Option<&str>) -> Option<Engine> {
        self.learnt().get(&learnt_key(place, namespace)).copied()
    }

    /// What the mount is by Vault's own word, which is remembered.
    pub(super) async fn describe(
        &self,
        wire: &Wire,
        place: &Place<'_>,
        caller: Caller<'_>,
        about: &str,
    ) -> Result<Told, ProviderError> {
        let request = DescribeMount { mount: place.mount };
        let answer = wire.ask(request, caller).await?;
        match answer::engine(&answer) {
            Some(engine) => {
                let key = learnt_key(place, caller.namespace);
                self.learnt().insert(key, engine);
                Ok(Told::It(engine))
            }
            None if matches!(answer.status, 200 | 403 | 404) => Ok(Told::Nothing),
            None => Err(answer::failure(&answer, about)),
        }
    }

    /// Whether a miss on a mount that was `asked` as one engine must be asked again, because the
    /// mount is another one `now`: it was made anew under its old name since `auto` learnt it.
    ///
    /// A setting is not overruled but is corrected by whoever made it. If Vault does not tell, a
    /// setting is believed; without one nobody is sure, so the miss is not believed either. Nothing
    /// is ever missing from an engine that makes its answers.
    pub(super) fn is_another(
        &self,
        place: &Place<'_>,
        asked: Engine,
        now: Told,
        about: &str,
    ) -> Result<bool, ProviderError> {
        let is_set = self.kv.of(place.mount) != KvVersion::Auto;
        let what = match now {
            Told::Nothing if is_set => return Ok(false),
            Told::Nothing => {
                "Vault does not tell this token what the mount is, so that nothing is found there \
                 proves nothing; set `secrets.providers.vault.kv` for it"
            }
            Told::It(Engine::Other) if asked != Engine::Kv2 => {
                "the mount is no KV engine, and has no such role or path"
            }
            Told::It(now) if now == asked => return Ok(false),
            _ if !is_set => return Ok(true),
            Told::It(Engine::Kv2) => {
                "the mount is KV version 2; set `secrets.providers.vault.kv` to 2 for it, or to \
                 auto"
            }
            Told::It(_) => {
                "the mount is not KV version 2; set `secrets.providers.vault.kv` to 1 for it, or \
                 to auto"
            }
        };
        Err(ProviderError::new(
            ErrorKind::Misconfigured,
            format!("{about}: {what}"),
        ))
    }

    pub(super) fn forget(&self, place: &Place<'_>, namespace: Option<&str>) {
        self.learnt().remove(&learnt_key(place, namespace));
    }

    /// Never held across an await.
    fn learnt(&self) -> MutexGuard<'_, HashMap<(String, String), Engine>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn learnt_key(place: &Place<'_>, namespace: Option<&str>) -> (String, String) {
    (
        namespace.unwrap_or_default().to_owned(),
        place.mount.to_owned(),
    )
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

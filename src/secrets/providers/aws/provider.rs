//! The provider itself: one fetch, with credentials that may have to be found first.

use aws_sdk_secretsmanager::{
    Client,
    config::{Builder, Credentials, IdentityCache, Region},
};
use futures_util::future::BoxFuture;

use super::{
    answer::Answer,
    batch,
    client::LazyClient,
    failure::{Asked, classify},
    held::Origin,
    keys::Keys,
    place::{Place, validate},
};
use crate::secrets::{
    Reference, SecretName,
    providers::{
        ErrorKind, Fetch, Limits, Lookup, OnError, Presence, ProviderError, SecretProvider,
        template::Template,
    },
};

/// Keys in AWS Secrets Manager.
pub(super) struct AwsProvider {
    pub(super) client: LazyClient,
    pub(super) keys: Keys,
    pub(super) lookup: Option<Template>,
    pub(super) limits: Limits,
    pub(super) on_error: OnError,
}

/// One request's way to Secrets Manager.
pub(super) struct Way<'a> {
    pub(super) client: &'a Client,
    credentials: Credentials,
    /// `None` if no others can be had.
    origin: Option<Origin>,
}

impl Way<'_> {
    /// What a request to `region` is sent with. It ends with the request.
    pub(super) fn config(&self, region: Option<&str>) -> Builder {
        let config = Builder::new()
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache());
        match region {
            Some(region) => config.region(Region::new(region.to_owned())),
            None => config,
        }
    }

    /// Whose region `region` is, when a request to it fails: what one region says of credentials
    /// says nothing of those that serve in another.
    pub(super) fn asked(&self, region: Option<&str>) -> Asked {
        let own = self.client.config().region().map(Region::as_ref);
        match region.zip(own) {
            Some((region, own)) if region != own => Asked::Elsewhere,
            _ => Asked::Home,
        }
    }
}

impl AwsProvider {
    /// With the credentials at hand.
    pub(super) async fn way(&self) -> Result<Way<'_>, ProviderError> {
        let client = self.client.get().await?;
        let (credentials, origin) = self.keys.get().await?;
        Ok(Way {
            client,
            credentials,
            origin,
        })
    }

    /// With newer credentials, if `error` says that AWS does not accept those of `way`, and they
    /// were not found just now.
    pub(super) async fn newer_way(
        &self,
        way: &Way<'_>,
        error: &ProviderError,
    ) -> Result<Option<Way<'_>>, ProviderError> {
        match &way.origin {
            Some(origin) if error.kind == ErrorKind::LoginFailed && self.keys.forget(origin) => {
                self.way().await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What error messages call the secret at `place`.
    pub(super) fn about(&self, place: &Place<'_>) -> String {
        let address = self.client.address(place.region);
        format!("{address}, secret `{}`", place.secret_id)
    }

    async fn look_up(&self, fetch: Fetch<'_>) -> Result<Lookup, ProviderError> {
        let place = place_of(fetch.reference)?;
        let about = self.about(&place);
        let way = self.way().await?;
        let mut answer = read(&way, &place, &about).await;
        if let Err(error) = &answer
            && let Some(newer) = self.newer_way(&way, error).await?
        {
            answer = read(&newer, &place, &about).await;
        }
        drop(way);
        let Some(answer) = answer? else {
            return Ok(Lookup::Miss);
        };
        let value = answer.value_at(&place, &about)?;
        answer.stored(fetch.pool.store(value.as_bytes()).await)
    }
}

/// Asks for one secret; `None` if it was never there.
async fn read(
    way: &Way<'_>,
    place: &Place<'_>,
    about: &str,
) -> Result<Option<Answer>, ProviderError> {
    let sent = way
        .client
        .get_secret_value()
        .secret_id(place.secret_id)
        .set_version_stage(place.stage.map(str::to_owned))
        .set_version_id(place.version_id.map(str::to_owned))
        .customize()
        .config_override(way.config(place.region))
        .send()
        .await;
    match sent {
        Ok(output) => Ok(Some(Answer::from(output))),
        Err(error) => classify(&error, way.asked(place.region), about).map(|()| None),
    }
}

/// The place of a reference that was validated at load.
pub(super) fn place_of(reference: &Reference) -> Result<Place<'_>, ProviderError> {
    Place::of(reference).map_err(|detail| ProviderError::new(ErrorKind::Misconfigured, detail))
}

impl SecretProvider for AwsProvider {
    fn name(&self) -> &'static str {
        "aws"
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

    fn asks_together(&self) -> bool {
        true
    }

    fn fetch_many<'a>(
        &'a self,
        fetches: &'a [Fetch<'a>],
    ) -> BoxFuture<'a, Vec<Result<Lookup, ProviderError>>> {
        Box::pin(batch::fetch_many(self, fetches))
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

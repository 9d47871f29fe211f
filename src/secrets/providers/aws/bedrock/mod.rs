//! The secret provider `bedrock`: API keys of Amazon Bedrock, made of AWS credentials.
//!
//! A team on AWS has no key of Bedrock to store: its credentials are those of a profile, a role or
//! an instance, and live as AWS says. From them Bedrock's own short-term key is made, here and
//! without asking anybody, and ends soon. `config` is the settings, `key` the signing.
//! Source: docs.aws.amazon.com/bedrock/latest/userguide/api-keys-generate.html.

mod config;
mod key;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::BoxFuture;

pub use self::config::BedrockSettings;
use super::keys::Keys;
use crate::secrets::{
    Reference, SecretName,
    providers::{
        ErrorKind, Fetch, Found, Limits, Lookup, OnError, Presence, ProviderError, SecretProvider,
    },
};

/// For how long before its end a key is not used any more: clocks differ, and a call takes its time.
const MARGIN: Duration = Duration::from_secs(60);

/// Keys that are made when they are asked for.
struct BedrockProvider {
    keys: Keys,
    limits: Limits,
    on_error: OnError,
}

impl BedrockProvider {
    async fn make(&self, fetch: Fetch<'_>) -> Result<Lookup, ProviderError> {
        let (credentials, origin) = self.keys.get().await?;
        let now = SystemTime::now();
        let ends = origin.map(|origin| origin.good_until());
        let key = key::made_of(credentials, fetch.reference.path(), now).ok_or_else(|| {
            ProviderError::new(
                ErrorKind::LoginFailed,
                "a key of Bedrock could not be signed",
            )
        })?;
        let value = fetch.pool.store(key.as_bytes()).await;
        let value =
            value.map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))?;
        // Credentials that end sooner take their keys with them.
        let lasts = ends.map_or(key::LIFETIME, |ends| {
            key::LIFETIME.min(ends.duration_since(now).unwrap_or_default())
        });
        Ok(Lookup::Found(Found {
            value: Arc::new(value),
            version: None,
            created_at: Some(now),
            expires_at: Some(Instant::now() + lasts.saturating_sub(MARGIN)),
        }))
    }
}

/// Refuses a reference that can never work: its path is a region, and nothing else is in it.
fn validate(reference: &Reference) -> Result<(), String> {
    let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !reference.path().chars().all(is_region) {
        return Err("a reference of Bedrock is a region, such as `bedrock:eu-central-1`".into());
    }
    if reference.option_names().next().is_some() || reference.field().is_some() {
        return Err("a reference of Bedrock has no options and no field".into());
    }
    Ok(())
}

impl SecretProvider for BedrockProvider {
    fn name(&self) -> &'static str {
        "bedrock"
    }

    fn locate(&self, _: &SecretName) -> Option<Reference> {
        None
    }

    fn validate(&self, reference: &Reference) -> Result<(), String> {
        validate(reference)
    }

    fn presence(&self, _: &Reference) -> Presence {
        Presence::Unknown
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        Box::pin(self.make(fetch))
    }

    /// A role that was taken back or a session that was ended refuses its keys: the next is made of
    /// new credentials.
    fn invalidate<'a>(&'a self, _: &'a Reference) -> BoxFuture<'a, ()> {
        self.keys.renew();
        Box::pin(async {})
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_region_and_nothing_else() {
        let valid = |text: &str| validate(&text.parse().unwrap()).is_ok();
        assert!(valid("bedrock:eu-central-1"));
        for wrong in [
            "bedrock:EU",
            "bedrock:eu/central",
            "bedrock:eu-central-1?region=x",
            "bedrock:eu-central-1#key",
        ] {
            assert!(!valid(wrong), "{wrong}");
        }
    }
}

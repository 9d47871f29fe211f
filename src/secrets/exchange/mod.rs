//! Secrets that are not sent themselves, but exchanged for a token that is: Google's service accounts
//! and Microsoft's applications.
//!
//! What a store holds lives longer than any call; the token that it is exchanged for lives an hour,
//! and is a value like any other: in locked memory, known to the net of live keys, kept for its
//! `ttl` and never beyond its own end, exchanged anew when an upstream refuses it. The long-lived
//! secret goes to the address of the exchange and nowhere else.

mod config;
mod endpoint;
mod entra;
mod google;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::config::ExchangeSettings;
use self::{endpoint::Endpoint, entra::Entra, google::Google};
use super::{
    memory::Pool,
    providers::{ErrorKind, Found, ProviderError},
};

/// For how long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(60);

/// An exchange, ready to be made.
#[derive(Debug)]
pub(super) struct Exchange {
    endpoint: Endpoint,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Google(Google),
    Entra(Entra),
}

impl Exchange {
    /// Whether it is a JSON object that is exchanged.
    pub(super) fn takes_object(&self) -> bool {
        matches!(self.kind, Kind::Google(_))
    }

    /// A token for the secret that was found.
    pub(super) async fn exchanged(
        &self,
        found: Found,
        pool: &Pool,
    ) -> Result<Found, ProviderError> {
        let form = match &self.kind {
            Kind::Google(google) => google.form(found.value.as_slice(), self.endpoint.url()),
            Kind::Entra(entra) => Ok(entra.form(found.value.as_slice())),
        };
        let answer = self.endpoint.ask(form?).await?;
        let token = answer.token()?;
        let value = pool.store(token.text.as_bytes()).await;
        let value = value.map_err(|_| {
            ProviderError::new(
                ErrorKind::PoolFull,
                "no room for the token in locked memory",
            )
        })?;
        let lasts = token.lasts.saturating_sub(MARGIN);
        let ends = Instant::now() + lasts;
        Ok(Found {
            value: Arc::new(value),
            version: found.version,
            created_at: found.created_at,
            expires_at: Some(found.expires_at.map_or(ends, |end| end.min(ends))),
        })
    }
}

#[cfg(test)]
mod tests;

//! The provider itself: one fetch, within one deadline.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_sdk_secretsmanager::config::{Builder, Region};
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::{
    client::LazyClient,
    failure::classify,
    place::{Place, validate},
};
use crate::secrets::{
    Reference, SecretName,
    providers::{
        ErrorKind, Fetch, Found, Lookup, OnError, Presence, ProviderError, SecretProvider,
        json_field::{self, NoText, Text},
        template::Template,
        value,
    },
};

/// Keys in AWS Secrets Manager.
pub(super) struct AwsProvider {
    pub(super) client: LazyClient,
    pub(super) lookup: Option<Template>,
    pub(super) timeout: Duration,
    pub(super) on_error: OnError,
}

impl AwsProvider {
    async fn look_up(&self, fetch: Fetch<'_>) -> Result<Lookup, ProviderError> {
        let place = Place::of(fetch.reference)
            .map_err(|detail| ProviderError::new(ErrorKind::Misconfigured, detail))?;
        let about = format!(
            "{}, secret `{}`",
            self.client.address(place.region),
            place.secret_id
        );
        let request = self
            .client
            .get()
            .await?
            .get_secret_value()
            .secret_id(place.secret_id)
            .set_version_stage(place.stage.map(str::to_owned))
            .set_version_id(place.version_id.map(str::to_owned))
            .customize();
        let request = match place.region {
            Some(region) => {
                request.config_override(Builder::new().region(Region::new(region.to_owned())))
            }
            None => request,
        };
        let mut output = match request.send().await {
            Ok(output) => output,
            Err(error) => return classify(&error, &about).map(|()| Lookup::Miss),
        };
        // The SDK's own copy ends here: it is moved out and wiped with this function.
        let Some(whole) = output.secret_string.take().map(Zeroizing::new) else {
            drop(
                output
                    .secret_binary
                    .take()
                    .map(|blob| Zeroizing::new(blob.into_inner())),
            );
            return Err(ProviderError::new(
                ErrorKind::Malformed,
                format!("{about}: the secret is binary; store the key as a string"),
            ));
        };
        let text = pick(&whole, &place, &about)?;
        let stored = fetch.pool.store(text.as_bytes()).await;
        let stored =
            stored.map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))?;
        Ok(Lookup::Found(Found {
            value: Arc::new(stored),
            version: output.version_id.filter(|id| is_version_id(id)),
            created_at: output
                .created_date
                .and_then(|date| SystemTime::try_from(date).ok()),
            expires_at: None,
        }))
    }
}

/// Whether a text has the form of AWS's version ids, so that it may be logged and printed. What a
/// server says beyond that is no version.
fn is_version_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn pick<'a>(whole: &'a str, place: &Place<'_>, about: &str) -> Result<Text<'a>, ProviderError> {
    let Some(field) = place.field else {
        value::check(whole.as_bytes(), &format!("{about}: the value"))?;
        value::check_not_an_object(whole.as_bytes(), &format!("{about}: the value"))?;
        return Ok(Text::Borrowed(whole.as_bytes()));
    };
    let found = json_field::find(whole.as_bytes(), &json_field::steps(field));
    let text = found.map_err(|why| {
        let (kind, what) = match why {
            NoText::NotJson => (
                ErrorKind::Malformed,
                "the value is not JSON, so it has no field",
            ),
            NoText::Absent => (
                ErrorKind::FieldAbsent,
                "the secret is there, its field is not",
            ),
            NoText::NotString => (ErrorKind::Malformed, "the field is not a string"),
        };
        ProviderError::new(kind, format!("{about}: {what}"))
    })?;
    value::check(text.as_bytes(), &format!("{about}: the field"))?;
    Ok(text)
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
        Box::pin(async move {
            let within = tokio::time::timeout(self.timeout, self.look_up(fetch)).await;
            within.unwrap_or_else(|_| {
                Err(ProviderError::new(
                    ErrorKind::TimedOut,
                    format!(
                        "{} did not answer within `timeout`, {:?}",
                        self.client.address(None),
                        self.timeout
                    ),
                ))
            })
        })
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_only_in_the_form_of_one() {
        assert!(is_version_id("EXAMPLE1-90ab-cdef-fedc-ba987SECRET1"));
        let long = "a".repeat(65);
        for wrong in ["", "a b", "a\nlevel=ERROR", "\u{1b}[2J", "\u{e9}", &long] {
            assert!(!is_version_id(wrong), "{wrong:?}");
        }
    }
}

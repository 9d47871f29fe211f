//! Many secrets in one request, `BatchGetSecretValue`, where that reads the same as one by one.
//!
//! The API reads current versions alone, twenty secrets at most, within one region (Secrets Manager
//! API reference, `BatchGetSecretValue`), and needs a permission of its own. Whatever does not fit,
//! or is not allowed so, is fetched singly: an answer never depends on the way it was had.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::{ApiErrorType, SecretValueEntry};

use super::{
    answer::Answer,
    failure::{classify, classify_one},
    place::Place,
    provider::{AwsProvider, Way, place_of},
};
use crate::secrets::{
    memory::Pool,
    providers::{ErrorKind, Fetch, Lookup, ProviderError, SecretProvider},
};

/// As many secrets as one request may name.
const MOST: usize = 20;

/// As many pages as one request's answer may have: one for each secret.
const MOST_PAGES: usize = MOST;

type Outcome = Result<Lookup, ProviderError>;

/// What one request told.
struct Told {
    values: Vec<Entry>,
    errors: Vec<ApiErrorType>,
}

struct Entry {
    name: Option<String>,
    arn: Option<String>,
    answer: Answer,
}

/// Fetches all, in as few requests as can be; the answers stand in the order of `fetches`.
pub(super) async fn fetch_many(provider: &AwsProvider, fetches: &[Fetch<'_>]) -> Vec<Outcome> {
    let mut answers: Vec<Option<Outcome>> = fetches.iter().map(|_| None).collect();
    for group in groups(fetches) {
        let mut ids: Vec<&str> = group.iter().map(|(_, place)| place.secret_id).collect();
        ids.sort_unstable();
        ids.dedup();
        for ids in ids.chunks(MOST) {
            let region = group.first().and_then(|(_, place)| place.region);
            let told = ask(provider, region, ids).await;
            for (index, place) in &group {
                if ids.contains(&place.secret_id) {
                    let about = provider.about(place);
                    answers[*index] = outcome(&told, fetches[*index].pool, place, &about);
                }
            }
        }
    }
    let mut complete = Vec::with_capacity(fetches.len());
    for (fetch, answer) in fetches.iter().zip(answers) {
        complete.push(match answer {
            Some(answer) => answer,
            None => provider.fetch(*fetch).await,
        });
    }
    complete
}

/// The fetches that one request could answer, by region; none of one alone.
fn groups<'a>(fetches: &[Fetch<'a>]) -> Vec<Vec<(usize, Place<'a>)>> {
    let mut regions: BTreeMap<Option<&str>, Vec<_>> = BTreeMap::new();
    for (index, fetch) in fetches.iter().enumerate() {
        if let Ok(place) = place_of(fetch.reference)
            && place.stage.is_none()
            && place.version_id.is_none()
        {
            regions
                .entry(place.region)
                .or_default()
                .push((index, place));
        }
    }
    regions
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}

async fn ask(
    provider: &AwsProvider,
    region: Option<&str>,
    ids: &[&str],
) -> Result<Told, ProviderError> {
    let address = provider.client.address(region);
    let about = format!("{address}, {} secrets at once", ids.len());
    let way = provider.way().await?;
    let told = read(&way, region, ids, &about).await;
    if let Err(error) = &told
        && let Some(newer) = provider.newer_way(&way, error).await?
    {
        return read(&newer, region, ids, &about).await;
    }
    told
}

/// What was told of the secret at `place`; `None` if it must be read by itself.
fn outcome(
    told: &Result<Told, ProviderError>,
    pool: &Pool,
    place: &Place<'_>,
    about: &str,
) -> Option<Outcome> {
    let told = match told {
        Ok(told) => told,
        // Not allowed so, or not understood: each may still be read by itself.
        Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Misconfigured) => {
            return None;
        }
        Err(error) => return Some(Err(error.clone())),
    };
    let id = place.secret_id;
    if let Some(Entry { answer, .. }) = told.values.iter().find(|entry| entry.is_called(id)) {
        // The pool is not waited for: what fills it may be the answers before.
        let value = answer.value_at(place, about);
        return Some(value.and_then(|value| answer.stored(pool.try_store(value.as_bytes()))));
    }
    let is_of = |error: &&ApiErrorType| error.secret_id() == Some(id);
    let error = told.errors.iter().find(is_of)?;
    let missing = classify_one(error.error_code(), error.message(), about);
    Some(missing.map(|()| Lookup::Miss))
}

/// Sends the request, and again for each further page of its answer.
async fn read(
    way: &Way<'_>,
    region: Option<&str>,
    ids: &[&str],
    about: &str,
) -> Result<Told, ProviderError> {
    let mut told = Told {
        values: Vec::with_capacity(ids.len()),
        errors: Vec::new(),
    };
    let mut next = None;
    for _ in 0..MOST_PAGES {
        let sent = way
            .client
            .batch_get_secret_value()
            .set_secret_id_list(Some(ids.iter().map(|&id| id.to_owned()).collect()))
            .set_next_token(next.take())
            .customize()
            .config_override(way.config(region))
            .send()
            .await;
        let output = match sent {
            Ok(output) => output,
            // A request for many has no miss of its own.
            Err(error) => {
                let failure = classify(&error, way.asked(region), about).err();
                return Err(failure.unwrap_or_else(|| odd(about)));
            }
        };
        let values = output.secret_values.unwrap_or_default();
        told.values.extend(values.into_iter().map(Entry::from));
        told.errors.extend(output.errors.unwrap_or_default());
        next = output.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    Ok(told)
}

/// Nothing that this API can mean; each secret is read by itself.
fn odd(about: &str) -> ProviderError {
    let detail = format!("{about}: AWS says that nothing is there");
    ProviderError::new(ErrorKind::Misconfigured, detail)
}

impl From<SecretValueEntry> for Entry {
    fn from(mut entry: SecretValueEntry) -> Self {
        Self {
            name: entry.name.take(),
            arn: entry.arn.take(),
            answer: entry.into(),
        }
    }
}

impl Entry {
    /// By name, by ARN, or by an ARN without the six characters that AWS puts behind the name.
    fn is_called(&self, id: &str) -> bool {
        let is_arn = |arn: &str| {
            arn.strip_prefix(id)
                .is_some_and(|rest| rest.is_empty() || (rest.len() == 7 && rest.starts_with('-')))
        };
        self.name.as_deref() == Some(id)
            || (id.starts_with("arn:") && self.arn.as_deref().is_some_and(is_arn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_name_and_by_both_forms_of_its_arn() {
        let arn = "arn:aws:secretsmanager:eu-central-1:1:secret:ai/x";
        let entry = SecretValueEntry::builder()
            .name("ai/x")
            .arn(format!("{arn}-AbCdEf"))
            .build();
        let entry = Entry::from(entry);
        for id in ["ai/x", arn, &format!("{arn}-AbCdEf")] {
            assert!(entry.is_called(id), "{id}");
        }
        for id in ["ai", "ai/x-AbCdEf", &arn[..arn.len() - 1], "arn:", ""] {
            assert!(!entry.is_called(id), "{id}");
        }
    }
}

//! What an answer of Vault means.
//!
//! Vault says 404 for five different things, and only one of them is a miss: the others must stop
//! the chain, or an older key from elsewhere would take the place of one that an operator deleted
//! or mistyped. The bodies in the tests were recorded from a real server. Vault's own words decide
//! the sort of failure and are then dropped; they are never shown.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, de::IgnoredAny};

use super::{kv::Engine, leases::Grant, place::Place, wire::Answer};
use crate::secrets::providers::{
    ErrorKind, ProviderError,
    json_field::{self, NoText, Text},
};

/// A read's meaning.
pub(super) enum Reading<'a> {
    /// A string is at the field.
    Value {
        text: Text<'a>,
        version: Option<String>,
        created_at: Option<SystemTime>,
    },
    /// Nothing was ever there, if the mount is of the version that was asked: one of another
    /// version says the same of a secret that it has.
    Miss,
    /// This token may not, or is no token any more.
    Denied,
}

#[derive(Deserialize)]
struct Body<D> {
    errors: Option<Vec<String>>,
    #[serde(default = "none")]
    data: Option<D>,
    warnings: Option<Vec<IgnoredAny>>,
}

// `#[serde(default)]` alone would ask the type parameter for a default, too.
fn none<D>() -> Option<D> {
    None
}

#[derive(Deserialize)]
struct Versioned {
    data: Option<IgnoredAny>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    version: Option<u64>,
    created_time: Option<String>,
    #[serde(default)]
    destroyed: bool,
}

/// Reads an answer to a read of `place` on a mount that was asked as `engine`. `about` names
/// address and path, for messages.
pub(super) fn read<'a>(
    answer: &'a Answer,
    engine: Engine,
    place: &Place<'_>,
    about: &str,
) -> Result<Reading<'a>, ProviderError> {
    match (answer.status, engine) {
        (200..=299, Engine::Kv2) => versioned(&answer.body, place, about),
        (200..=299, _) => Ok(Reading::Value {
            text: plain_field(&answer.body, place, about)?,
            version: None,
            created_at: None,
        }),
        (403, _) => Ok(Reading::Denied),
        (404, _) => absent(&answer.body, place, about),
        (400, Engine::Other) => Err(match failure(answer, about) {
            error if error.kind == ErrorKind::Misconfigured && is_refusal_of_vault(answer) => {
                let detail = format!(
                    "{about}: the engine refused the read (status 400); is there such a role, and \
                     is the engine configured?"
                );
                ProviderError::new(error.kind, detail)
            }
            error => error,
        }),
        // In Vault's own words, so Vault works: it must not be left alone for all other secrets.
        (500, Engine::Other) if is_refusal_of_vault(answer) => Err(ProviderError::new(
            ErrorKind::EngineFailed,
            format!(
                "{about}: the engine failed (status 500); is what it makes accounts in reachable?"
            ),
        )),
        _ => Err(failure(answer, about)),
    }
}

/// The field in an answer of any engine but KV version 2.
pub(super) fn plain_field<'a>(
    body: &'a [u8],
    place: &Place<'_>,
    about: &str,
) -> Result<Text<'a>, ProviderError> {
    field(body, &["data"], place, about)
}

fn versioned<'a>(
    body: &'a [u8],
    place: &Place<'_>,
    about: &str,
) -> Result<Reading<'a>, ProviderError> {
    let parsed: Body<Versioned> =
        serde_json::from_slice(body).map_err(|_| not_vault(200, about))?;
    let Some(Versioned {
        data,
        metadata: Some(metadata),
    }) = parsed.data
    else {
        return Err(ProviderError::new(
            ErrorKind::Misconfigured,
            format!(
                "{about}: the mount answers like KV version 1; set `secrets.providers.vault.kv` \
                 to 1 for it, or to auto"
            ),
        ));
    };
    if data.is_none() {
        return Err(deleted(&metadata, about));
    }
    let created = metadata
        .created_time
        .and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(Reading::Value {
        text: field(body, &["data", "data"], place, about)?,
        version: metadata.version.map(|version| version.to_string()),
        created_at: created.map(SystemTime::from),
    })
}

fn field<'a>(
    body: &'a [u8],
    above: &[&str],
    place: &Place<'_>,
    about: &str,
) -> Result<Text<'a>, ProviderError> {
    let mut steps: Vec<String> = above.iter().map(|&step| step.to_owned()).collect();
    steps.extend(json_field::steps(place.field));
    json_field::find(body, &steps).map_err(|why| {
        let (kind, what) = match why {
            NoText::NotJson => return not_vault(200, about),
            NoText::Absent => (
                ErrorKind::FieldAbsent,
                "the secret is there, its field is not",
            ),
            NoText::NotString => (ErrorKind::Malformed, "the field is not a string"),
        };
        ProviderError::new(kind, format!("{about}: {what}"))
    })
}

/// Tells the five kinds of 404 apart, and those of whatever stands before Vault.
fn absent<'a>(
    body: &'a [u8],
    place: &Place<'_>,
    about: &str,
) -> Result<Reading<'a>, ProviderError> {
    let misconfigured = |what: String| {
        Err(ProviderError::new(
            ErrorKind::Misconfigured,
            format!("{about}: {what}"),
        ))
    };
    // A KV v1 secret of the shape of a v2 answer cannot come with a 404.
    let Ok(parsed) = serde_json::from_slice::<Body<Versioned>>(body) else {
        return Err(not_vault(404, about));
    };
    if let Some(Versioned {
        metadata: Some(metadata),
        ..
    }) = parsed.data
    {
        return Err(deleted(&metadata, about));
    }
    let warned = parsed.warnings.is_some_and(|warnings| !warnings.is_empty());
    // Whoever sends data with a 404 says more than that nothing is there.
    let is_bare = parsed.data.is_none() && !warned;
    match parsed.errors {
        Some(errors) if errors.is_empty() && is_bare => Ok(Reading::Miss),
        Some(errors)
            if errors
                .iter()
                .any(|said| said.contains("namespace not found")) =>
        {
            misconfigured("there is no such namespace".into())
        }
        Some(errors)
            if errors
                .iter()
                .any(|said| said.contains("no handler for route")) =>
        {
            misconfigured(format!(
                "nothing is mounted at `{}`; a mount that contains `/` is set off by `//`",
                place.mount
            ))
        }
        Some(_) => misconfigured("what is mounted there has no such path".into()),
        None if warned => misconfigured(
            "the mount is KV version 2 and was asked as version 1; set \
             `secrets.providers.vault.kv` to 2 for it, or to auto"
                .into(),
        ),
        None => Err(not_vault(404, about)),
    }
}

fn deleted(metadata: &Metadata, about: &str) -> ProviderError {
    let how = if metadata.destroyed {
        "was destroyed"
    } else {
        "was deleted"
    };
    let which = match metadata.version {
        Some(version) => format!("version {version}"),
        None => "the version".to_owned(),
    };
    ProviderError::new(
        ErrorKind::Deleted,
        format!("{about}: {which} {how}; write a new version, or undelete it"),
    )
}

/// A failure that is no matter of the path that was asked for.
pub(super) fn failure(answer: &Answer, about: &str) -> ProviderError {
    let parsed = serde_json::from_slice::<Body<IgnoredAny>>(&answer.body).ok();
    let errors = parsed.and_then(|body| body.errors);
    let says = |words: &str| errors.iter().flatten().any(|said| said.contains(words));
    let (kind, what) = match answer.status {
        503 if says("sealed") => (ErrorKind::Sealed, "Vault is sealed; unseal it".to_owned()),
        503 if errors.is_some() => (
            ErrorKind::Sealed,
            "Vault is not ready: sealed, in standby or starting".to_owned(),
        ),
        400 if says("not initialized") => {
            (ErrorKind::Sealed, "Vault is not initialised".to_owned())
        }
        400 if says("Upgrading") => (
            ErrorKind::ServerFailed,
            "the mount is being upgraded; try again".to_owned(),
        ),
        429 => (
            ErrorKind::Throttled,
            "Vault asks for fewer requests (status 429)".to_owned(),
        ),
        status @ 300..=399 => (
            ErrorKind::Misconfigured,
            format!(
                "answered with a redirect (status {status}), which is not followed with a token; \
                 set `address` to the active server or to a load balancer"
            ),
        ),
        status @ 500..=599 => (
            ErrorKind::ServerFailed,
            format!("Vault failed (status {status})"),
        ),
        status if errors.is_none() => return not_vault(status, about),
        status => (
            ErrorKind::Misconfigured,
            format!("Vault refused the request (status {status})"),
        ),
    };
    let wish = answer
        .retry_after
        .filter(|_| matches!(answer.status, 429 | 503));
    ProviderError::new(kind, format!("{about}: {what}")).retry_after(wish)
}

/// Whether an answer that is no success is Vault's own, and not that of something before it.
pub(super) fn is_refusal_of_vault(answer: &Answer) -> bool {
    serde_json::from_slice::<Body<IgnoredAny>>(&answer.body).is_ok_and(|body| body.errors.is_some())
}

/// What a proxy, another server or TLS spoken to plainly answers.
fn not_vault(status: u16, about: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::Misconfigured,
        format!("{about}: status {status}, but not in Vault's words; is this Vault's address?"),
    )
}

/// What a mount is, from an answer to `sys/internal/ui/mounts/…`; `None` if it was not told.
pub(super) fn engine(answer: &Answer) -> Option<Engine> {
    #[derive(Deserialize)]
    struct Mount {
        #[serde(rename = "type")]
        engine: String,
        options: Option<Options>,
    }
    #[derive(Deserialize)]
    struct Options {
        version: Option<String>,
    }
    let body: Body<Mount> = (answer.status == 200)
        .then(|| serde_json::from_slice(&answer.body).ok())
        .flatten()?;
    let mount = body.data?;
    let version = mount.options.and_then(|options| options.version);
    Some(match mount.engine.as_str() {
        "kv" if version.as_deref() == Some("2") => Engine::Kv2,
        // `generic` is KV by its first name; a cubbyhole is the token's own KV.
        "kv" | "generic" | "cubbyhole" => Engine::Kv1,
        _ => Engine::Other,
    })
}

/// What Vault lent with an answer, and for how long.
pub(super) struct Lent {
    /// `None`: there is an end, but no lease to renew or revoke.
    pub(super) id: Option<String>,
    pub(super) grant: Grant,
}

#[derive(Deserialize)]
struct LeaseFields {
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

impl LeaseFields {
    fn grant(&self) -> Grant {
        Grant {
            duration: Duration::from_secs(self.lease_duration),
            is_renewable: self.renewable && !self.lease_id.is_empty(),
        }
    }
}

/// What an answer to a read was lent with; `None` if it stays what it is. KV version 1 gives a
/// duration too, which is only advice when to read again, so that without an id a duration counts
/// only where `is_engine`.
pub(super) fn lent(answer: &Answer, is_engine: bool) -> Option<Lent> {
    let fields: LeaseFields = (200..=299)
        .contains(&answer.status)
        .then(|| serde_json::from_slice(&answer.body).ok())
        .flatten()?;
    let grant = fields.grant();
    let id = Some(fields.lease_id).filter(|id| !id.is_empty());
    let ends = !grant.duration.is_zero() && (id.is_some() || is_engine);
    ends.then_some(Lent { id, grant })
}

/// What Vault said to a renewal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    Granted(Grant),
    /// The lease has ended.
    Lost,
    /// It lives, and will not be renewed.
    Refused,
    /// Another try may succeed.
    Failed(ErrorKind),
}

pub(super) fn renewal(answer: &Answer) -> Renewal {
    let fields = || serde_json::from_slice::<LeaseFields>(&answer.body).ok();
    let parsed = serde_json::from_slice::<Body<IgnoredAny>>(&answer.body).ok();
    let errors = parsed.and_then(|body| body.errors);
    let says = |words: &str| errors.iter().flatten().any(|said| said.contains(words));
    match answer.status {
        200..=299 => match fields().map(|fields| fields.grant()) {
            Some(grant) if !grant.duration.is_zero() => Renewal::Granted(grant),
            Some(_) => Renewal::Lost,
            None => Renewal::Failed(ErrorKind::Misconfigured),
        },
        // Whatever goes wrong with a renewal is a 400 at Vault, a database that is down too.
        400 if says("lease not found") || says("lease expired") => Renewal::Lost,
        400 if says("not renewable") => Renewal::Refused,
        403 if errors.is_some() => Renewal::Refused,
        _ => Renewal::Failed(failure(answer, "").kind),
    }
}

/// Seconds that a login's token lives, from an answer to a login; zero: for ever.
pub(super) fn lifetime(answer: &Answer) -> Option<u64> {
    #[derive(Deserialize)]
    struct Login {
        auth: Option<Auth>,
    }
    #[derive(Deserialize)]
    struct Auth {
        lease_duration: u64,
    }
    let login: Login = serde_json::from_slice(&answer.body).ok()?;
    Some(login.auth?.lease_duration)
}

#[cfg(test)]
mod tests;

//! What an answer of Vault means.
//!
//! Vault says 404 for five different things, and only one of them is a miss: the others must stop
//! the chain, or an older key from elsewhere would take the place of one that an operator deleted
//! or mistyped. The bodies in the tests were recorded from a real server. Vault's own words decide
//! the sort of failure and are then dropped; they are never shown.

use std::time::SystemTime;

use serde::{Deserialize, de::IgnoredAny};

use super::{config::KvVersion, place::Place, wire::Answer};
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
    /// Nothing was ever there.
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

/// Reads an answer to a read of `place` on a mount of KV version `kv`. `about` names address and
/// path, for messages.
pub(super) fn read<'a>(
    answer: &'a Answer,
    kv: KvVersion,
    place: &Place<'_>,
    about: &str,
) -> Result<Reading<'a>, ProviderError> {
    match (answer.status, kv) {
        (200..=299, KvVersion::V2) => versioned(&answer.body, place, about),
        (200..=299, _) => {
            let text = field(&answer.body, &["data"], place, about)?;
            Ok(Reading::Value {
                text,
                version: None,
                created_at: None,
            })
        }
        (403, _) => Ok(Reading::Denied),
        (404, _) => absent(&answer.body, place, about),
        _ => Err(failure(answer, about)),
    }
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
    match parsed.errors {
        Some(errors) if errors.is_empty() && !warned => Ok(Reading::Miss),
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
    ProviderError::new(kind, format!("{about}: {what}"))
}

/// What a proxy, another server or TLS spoken to plainly answers.
fn not_vault(status: u16, about: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::Misconfigured,
        format!("{about}: status {status}, but not in Vault's words; is this Vault's address?"),
    )
}

/// The version of KV at a mount, from an answer to `sys/internal/ui/mounts/…`; `None` if it was
/// not told.
pub(super) fn kv_version(answer: &Answer) -> Option<KvVersion> {
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
    Some(if mount.engine == "kv" && version.as_deref() == Some("2") {
        KvVersion::V2
    } else {
        KvVersion::V1
    })
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
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    /// A value and its version.
    type Found = (String, Option<String>);

    /// `Ok(Some(value, version))`, `Ok(None)` for a miss, or the kind and words of the failure.
    fn reading(
        status: u16,
        kv: KvVersion,
        body: &str,
    ) -> Result<Option<Found>, (ErrorKind, String)> {
        let reference = "vault:secret/ai/openai#api_key".parse().unwrap();
        let place = Place::of(&reference).unwrap();
        let answer = answer(status, body);
        let read = read(&answer, kv, &place, "ABOUT");
        match read {
            Ok(Reading::Value { text, version, .. }) => Ok(Some((
                String::from_utf8(text.as_bytes().to_vec()).unwrap(),
                version,
            ))),
            Ok(Reading::Miss) => Ok(None),
            Ok(Reading::Denied) => Err((ErrorKind::Forbidden, String::new())),
            Err(error) => {
                assert!(!error.detail.contains("canary"), "{error}");
                Err((error.kind, error.detail))
            }
        }
    }

    const HIT: &str = r#"{"request_id":"4ddd268b","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"api_key":"canary-v1","n":1},"metadata":{"created_time":"2026-01-22T18:06:45.669952376Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":7}},"wrap_info":null,"warnings":null,"auth":null}"#;
    const HIT_V1: &str = r#"{"request_id":"41c8eeb5","lease_id":"","renewable":false,"lease_duration":2764800,"data":{"api_key":"canary-one"},"wrap_info":null,"warnings":null,"auth":null}"#;

    #[test]
    fn a_hit_gives_the_value_and_on_version_2_its_metadata() {
        let hit = reading(200, KvVersion::V2, HIT);
        assert_eq!(hit, Ok(Some(("canary-v1".into(), Some("7".into())))));
        assert_eq!(
            reading(200, KvVersion::V1, HIT_V1),
            Ok(Some(("canary-one".into(), None)))
        );
        let reference = "vault:secret/ai/openai#api_key".parse().unwrap();
        let answer = answer(200, HIT);
        let place = Place::of(&reference).unwrap();
        let Ok(Reading::Value {
            created_at: Some(created),
            ..
        }) = read(&answer, KvVersion::V2, &place, "")
        else {
            panic!("no creation time");
        };
        let since = created.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_secs(), 1_769_105_205);
    }

    #[test]
    fn of_the_404s_only_a_missing_secret_is_a_miss() {
        let metadata = |destroyed: bool, deletion: &str| {
            format!(
                r#"{{"request_id":"e24c","data":{{"data":null,"metadata":{{"created_time":"2026-11-22T18:06:45.73964983Z","custom_metadata":null,"deletion_time":"{deletion}","destroyed":{destroyed},"version":3}}}},"wrap_info":null,"warnings":null,"auth":null}}"#
            )
        };
        let deletion = "2026-11-22T18:06:45.745658095Z";
        let unhandled = r#"{"errors":["no handler for route \"sekret/data/ai/none\". route entry not found."]}"#;
        let wrong_kv = r#"{"request_id":"f580","lease_id":"","data":null,"wrap_info":null,"warnings":["Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use."],"auth":null}"#;
        assert_eq!(reading(404, KvVersion::V2, "{\"errors\":[]}\n"), Ok(None));
        for (body, kind, words) in [
            (
                unhandled,
                ErrorKind::Misconfigured,
                "nothing is mounted at `secret`",
            ),
            (
                r#"{"errors":["namespace not found"]}"#,
                ErrorKind::Misconfigured,
                "namespace",
            ),
            (wrong_kv, ErrorKind::Misconfigured, "KV version 2"),
            (
                &metadata(false, deletion),
                ErrorKind::Deleted,
                "version 3 was deleted",
            ),
            (
                &metadata(true, ""),
                ErrorKind::Deleted,
                "version 3 was destroyed",
            ),
            (
                r#"{"errors":["unsupported path"]}"#,
                ErrorKind::Misconfigured,
                "no such path",
            ),
            (
                r#"{"errors":[],"warnings":["x"]}"#,
                ErrorKind::Misconfigured,
                "no such path",
            ),
            ("{}", ErrorKind::Misconfigured, "not in Vault's words"),
            (
                "<html>Not Found canary</html>",
                ErrorKind::Misconfigured,
                "not in Vault's words",
            ),
        ] {
            let (found, said) = reading(404, KvVersion::V2, body).unwrap_err();
            assert_eq!(found, kind, "{body}");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn other_failures_are_told_by_status_and_never_by_what_vault_said() {
        let sealed = r#"{"errors":["Vault is sealed"]}"#;
        for (status, body, kind) in [
            (503, sealed, ErrorKind::Sealed),
            (503, "<html>canary</html>", ErrorKind::ServerFailed),
            (500, r#"{"errors":["canary"]}"#, ErrorKind::ServerFailed),
            (429, r#"{"errors":["canary"]}"#, ErrorKind::Throttled),
            (307, "canary", ErrorKind::Misconfigured),
            (
                400,
                "Client sent an HTTP request to an HTTPS server.\n",
                ErrorKind::Misconfigured,
            ),
            (400, r#"{"errors":["canary"]}"#, ErrorKind::Misconfigured),
            (200, "canary", ErrorKind::Misconfigured),
        ] {
            assert_eq!(
                reading(status, KvVersion::V2, body).unwrap_err().0,
                kind,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_field_that_is_absent_or_no_string_is_no_miss() {
        let other = HIT.replace("api_key", "other");
        assert_eq!(
            reading(200, KvVersion::V2, &other).unwrap_err().0,
            ErrorKind::FieldAbsent
        );
        let number = HIT.replace(r#""canary-v1""#, "17");
        assert_eq!(
            reading(200, KvVersion::V2, &number).unwrap_err().0,
            ErrorKind::Malformed
        );
    }

    #[test]
    fn a_v1_mount_that_is_asked_as_v2_is_named_as_such() {
        let (kind, said) = reading(200, KvVersion::V2, HIT_V1).unwrap_err();
        assert_eq!(kind, ErrorKind::Misconfigured);
        assert!(said.contains("KV version 1"), "{said}");
    }

    #[test]
    fn a_mounts_version_is_read_from_what_vault_says_of_it() {
        let of = |engine: &str, options: &str| {
            let body = format!(r#"{{"data":{{"type":"{engine}","options":{options}}}}}"#);
            kv_version(&answer(200, &body))
        };
        assert_eq!(of("kv", r#"{"version":"2"}"#), Some(KvVersion::V2));
        assert_eq!(of("kv", r#"{"version":"1"}"#), Some(KvVersion::V1));
        assert_eq!(of("kv", "null"), Some(KvVersion::V1));
        assert_eq!(of("database", "null"), Some(KvVersion::V1));
        assert_eq!(
            kv_version(&answer(403, r#"{"errors":["preflight"]}"#)),
            None
        );
    }
}

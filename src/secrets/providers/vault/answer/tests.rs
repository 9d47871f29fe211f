//! Every kind of answer, in bodies recorded from OpenBao 2.7.2 (values replaced by a canary).

use zeroize::Zeroizing;

use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        body: Zeroizing::new(body.as_bytes().to_vec()),
        retry_after: None,
    }
}

/// A value and its version.
type Found = (String, Option<String>);

/// `Ok(Some(value, version))`, `Ok(None)` for a miss, or the kind and words of the failure.
fn reading(status: u16, engine: Engine, body: &str) -> Result<Option<Found>, (ErrorKind, String)> {
    let reference = "vault:secret/ai/openai#api_key".parse().unwrap();
    let place = Place::of(&reference).unwrap();
    let answer = answer(status, body);
    let read = read(&answer, engine, &place, "ABOUT");
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
    let hit = reading(200, Engine::Kv2, HIT);
    assert_eq!(hit, Ok(Some(("canary-v1".into(), Some("7".into())))));
    assert_eq!(
        reading(200, Engine::Kv1, HIT_V1),
        Ok(Some(("canary-one".into(), None)))
    );
    let reference = "vault:secret/ai/openai#api_key".parse().unwrap();
    let answer = answer(200, HIT);
    let place = Place::of(&reference).unwrap();
    let Ok(Reading::Value {
        created_at: Some(created),
        ..
    }) = read(&answer, Engine::Kv2, &place, "")
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
    let unhandled =
        r#"{"errors":["no handler for route \"sekret/data/ai/none\". route entry not found."]}"#;
    let wrong_kv = r#"{"request_id":"f580","lease_id":"","data":null,"wrap_info":null,"warnings":["Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use."],"auth":null}"#;
    assert_eq!(reading(404, Engine::Kv2, "{\"errors\":[]}\n"), Ok(None));
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
        (
            r#"{"errors":[],"data":{}}"#,
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
        let (found, said) = reading(404, Engine::Kv2, body).unwrap_err();
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
            reading(status, Engine::Kv2, body).unwrap_err().0,
            kind,
            "{status} {body}"
        );
    }
}

#[test]
fn a_wish_when_to_be_asked_again_goes_with_429_and_503_alone() {
    for (status, is_told) in [(429, true), (503, true), (500, false), (400, false)] {
        let wish = Some(std::time::Duration::from_secs(7));
        let mut answer = answer(status, r#"{"errors":[]}"#);
        answer.retry_after = wish;
        assert_eq!(failure(&answer, "").retry_after, wish.filter(|_| is_told));
    }
}

#[test]
fn a_field_that_is_absent_or_no_string_is_no_miss() {
    let other = HIT.replace("api_key", "other");
    assert_eq!(
        reading(200, Engine::Kv2, &other).unwrap_err().0,
        ErrorKind::FieldAbsent
    );
    let number = HIT.replace(r#""canary-v1""#, "17");
    assert_eq!(
        reading(200, Engine::Kv2, &number).unwrap_err().0,
        ErrorKind::Malformed
    );
}

#[test]
fn a_v1_mount_that_is_asked_as_v2_is_named_as_such() {
    let (kind, said) = reading(200, Engine::Kv2, HIT_V1).unwrap_err();
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(said.contains("KV version 1"), "{said}");
}

#[test]
fn what_a_mount_is_is_read_from_what_vault_says_of_it() {
    let of = |kind: &str, options: &str| {
        let body = format!(r#"{{"data":{{"type":"{kind}","options":{options}}}}}"#);
        engine(&answer(200, &body))
    };
    assert_eq!(of("kv", r#"{"version":"2"}"#), Some(Engine::Kv2));
    assert_eq!(of("kv", r#"{"version":"1"}"#), Some(Engine::Kv1));
    assert_eq!(of("kv", "null"), Some(Engine::Kv1));
    assert_eq!(of("cubbyhole", "null"), Some(Engine::Kv1));
    for made in ["database", "pki", "aws"] {
        assert_eq!(of(made, "{}"), Some(Engine::Other), "{made}");
    }
    assert_eq!(engine(&answer(403, r#"{"errors":["preflight"]}"#)), None);
}

const LEASED: &str = r#"{"request_id":"eb2b572d","lease_id":"db/creds/app/dVmL4tA98F5szodz4CSpMWwc","renewable":true,"lease_duration":6,"data":{"password":"canary-pw","username":"v-token-app"},"wrap_info":null,"warnings":null,"auth":null}"#;

fn grant(seconds: u64, is_renewable: bool) -> Grant {
    Grant {
        duration: Duration::from_secs(seconds),
        is_renewable,
    }
}

#[test]
fn an_answer_with_a_lease_is_lent_and_one_of_kv_version_1_is_not() {
    let lent = |body: &str, is_engine| {
        lent(&answer(200, body), is_engine).map(|lent| (lent.id, lent.grant))
    };
    let id = "db/creds/app/dVmL4tA98F5szodz4CSpMWwc";
    for is_engine in [true, false] {
        let whole = Some((Some(id.to_owned()), grant(6, true)));
        assert_eq!(lent(LEASED, is_engine), whole);
        assert_eq!(lent(HIT, is_engine), None);
    }
    // Advice of KV version 1; of another engine it is an end without a lease.
    assert_eq!(lent(HIT_V1, false), None);
    assert_eq!(lent(HIT_V1, true), Some((None, grant(2_764_800, false))));
    assert!(super::lent(&answer(403, LEASED), true).is_none());
}

#[test]
fn a_renewal_is_granted_lost_refused_or_worth_another_try() {
    let of = |status, body: &str| renewal(&answer(status, body));
    let renewed = LEASED.replace(
        r#"{"password":"canary-pw","username":"v-token-app"}"#,
        "null",
    );
    assert_eq!(of(200, &renewed), Renewal::Granted(grant(6, true)));
    let capped = renewed.replace(":6,", ":0,");
    assert_eq!(of(200, &capped), Renewal::Lost);
    let errors = |said: &str| format!(r#"{{"errors":["{said}"]}}"#);
    assert_eq!(of(400, &errors("lease not found")), Renewal::Lost);
    assert_eq!(of(400, &errors("lease is not renewable")), Renewal::Refused);
    assert_eq!(of(403, &errors("permission denied")), Renewal::Refused);
    for (status, body) in [
        (400, errors("failed to renew entry: canary")),
        (403, "<html>".to_owned()),
        (503, errors("Vault is sealed")),
        (200, "canary".to_owned()),
    ] {
        assert!(
            matches!(of(status, &body), Renewal::Failed(_)),
            "{status} {body}"
        );
    }
}

#[test]
fn an_engine_that_refuses_a_read_is_asked_about_its_role() {
    let unknown = r#"{"errors":["unknown role: canary"]}"#;
    let (kind, said) = reading(400, Engine::Other, unknown).unwrap_err();
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(said.contains("such a role"), "{said}");
    let sealed = reading(
        400,
        Engine::Other,
        r#"{"errors":["server is not initialized"]}"#,
    );
    assert_eq!(sealed.unwrap_err().0, ErrorKind::Sealed);
}

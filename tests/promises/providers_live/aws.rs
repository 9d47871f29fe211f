//! AWS Secrets Manager, played by moto, and by a stand-in for the refusals that moto cannot make.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, http::StatusCode, routing::any};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward::secrets::providers::ErrorKind;
use serde_json::{Value, json};

use super::{CANARY, Got, Store, Trace, in_own_environment, once};
use crate::support::{environment::unique, moto::Moto, tls::HttpServer};

pub(super) const CREDENTIALS: [(&str, Option<&str>); 2] = [
    ("AWS_SECRET_ACCESS_KEY", Some("canary-access")),
    ("AWS_SESSION_TOKEN", None),
];

fn at(address: &str, more: Value) -> Store {
    let mut aws = json!({ "region": Moto::REGION, "endpoint_url": address, "retries": 0 });
    for (key, value) in more.as_object().unwrap() {
        aws[key] = value.clone();
    }
    Store::with_taken(json!({ "aws": aws }), &CREDENTIALS).unwrap()
}

#[tokio::test]
async fn a_value_is_found_by_name_arn_stage_version_region_and_field() {
    let moto = Moto::shared();
    let store = at(moto.address(), json!({ "lookup": "ai/{name}#api_key" }));
    let plain = moto.fresh("canary-plain");
    let got = store.fetch(&format!("aws:{plain}")).await;
    assert!(
        matches!(&got, Got::Value { value, version: Some(_), is_dated: true } if value == "canary-plain"),
        "{got:?}"
    );

    let name = unique("ai/json");
    let arn = moto.create(&name, r#"{"api_key": "canary-old"}"#);
    let version = moto.put(
        &name,
        r#"{"api_key": "canary-new", "deep": [{"k": "canary-\"deep"}]}"#,
    );
    for (reference, value) in [
        (format!("aws:{name}#api_key"), "canary-new"),
        (format!("aws:{arn}#api_key"), "canary-new"),
        (format!("aws:{name}#/deep/0/k"), "canary-\"deep"),
        (
            format!("aws:{name}?stage=AWSPREVIOUS#api_key"),
            "canary-old",
        ),
        (
            format!("aws:{name}?version_id={version}#api_key"),
            "canary-new",
        ),
    ] {
        assert_eq!(store.fetch(&reference).await.value(), value, "{reference}");
    }
    let located = store
        .provider
        .locate(&name["ai/".len()..].parse().unwrap())
        .unwrap();
    assert_eq!(
        store.fetch(&located.to_string()).await.value(),
        "canary-new"
    );

    let elsewhere = unique("elsewhere");
    let made = json!({ "Name": elsewhere, "SecretString": "canary-far" });
    moto.ask_in("us-west-2", "CreateSecret", &made)
        .expect_success("CreateSecret");
    let reference = format!("aws:{elsewhere}?region=us-west-2");
    assert_eq!(store.fetch(&reference).await.value(), "canary-far");
    assert_eq!(store.fetch(&format!("aws:{elsewhere}")).await, Got::Miss);
}

#[tokio::test]
async fn only_a_secret_that_is_not_there_is_a_miss() {
    let moto = Moto::shared();
    let store = at(moto.address(), json!({}));
    assert_eq!(
        store.fetch(&format!("aws:{}", unique("never"))).await,
        Got::Miss
    );
    let deleted = moto.fresh("canary");
    moto.delete(&deleted);
    assert_eq!(store.fetch(&format!("aws:{deleted}")).await, Got::Miss);

    let marked = moto.fresh("canary");
    moto.mark_for_deletion(&marked);
    store
        .fetch(&format!("aws:{marked}"))
        .await
        .fails_with(ErrorKind::Deleted, "restore");
    let fields = moto.fresh(r#"{"api_key": "canary", "port": 1}"#);
    let plain = moto.fresh("canary\n");
    use ErrorKind as E;
    for (reference, kind, words) in [
        (
            format!("aws:{fields}#other"),
            E::FieldAbsent,
            "field is not",
        ),
        (format!("aws:{fields}#port"), E::Malformed, "not a string"),
        (format!("aws:{plain}#api_key"), E::Malformed, "not JSON"),
        (format!("aws:{plain}"), E::Malformed, "line break"),
    ] {
        store.fetch(&reference).await.fails_with(kind, words);
    }
}

#[tokio::test]
async fn the_bytes_of_a_binary_secret_are_the_value() {
    let moto = Moto::shared();
    let store = at(moto.address(), json!({}));
    let create = |bytes: &[u8]| {
        let name = unique("binary");
        let bytes = STANDARD.encode(bytes);
        moto.ask(
            "CreateSecret",
            &json!({ "Name": name, "SecretBinary": bytes }),
        )
        .expect_success("CreateSecret");
        name
    };
    let plain = create(b"canary-bytes");
    let got = store.fetch(&format!("aws:{plain}")).await;
    assert_eq!(got.value(), "canary-bytes");
    let json = create(br#"{"k": "canary-field"}"#);
    let got = store.fetch(&format!("aws:{json}#k")).await;
    assert_eq!(got.value(), "canary-field");
    // A line end is a byte of the value, and no header can carry it.
    for (bytes, words) in [
        (&b"canary\n"[..], "line break"),
        (b"canary\0bytes", "control character"),
    ] {
        let name = create(bytes);
        let got = store.fetch(&format!("aws:{name}")).await;
        got.fails_with(ErrorKind::Malformed, words);
    }
    let server = HttpServer::start(Router::new().fallback(any(async || "{}")));
    let got = at(&server.url(), json!({})).fetch("aws:neither").await;
    got.fails_with(ErrorKind::Malformed, "is empty");
}

/// A stand-in that answers everything with one code, and says too much.
fn refusing(status: u16, code: &'static str) -> HttpServer {
    let answer = move || async move {
        let body = json!({ "__type": code, "message": "canary" }).to_string();
        (
            StatusCode::from_u16(status).unwrap(),
            [("content-type", "application/x-amz-json-1.1")],
            body,
        )
    };
    HttpServer::start(Router::new().fallback(any(answer)))
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_and_never_by_its_text() {
    use ErrorKind as E;
    for (status, code, kind) in [
        (400, "AccessDeniedException", E::Forbidden),
        (400, "UnrecognizedClientException", E::LoginFailed),
        (400, "ThrottlingException", E::Throttled),
        (500, "InternalServiceError", E::ServerFailed),
        (400, "ValidationException", E::Misconfigured),
        (302, "Moved", E::Misconfigured),
    ] {
        let server = refusing(status, code);
        at(&server.url(), json!({}))
            .fetch("aws:ai")
            .await
            .fails_with(kind, &server.url());
    }
}

#[tokio::test]
async fn an_outage_is_told_by_its_kind() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let hanging = at(&format!("http://{address}"), json!({ "timeout": "300ms" }));
    hanging
        .fetch("aws:ai")
        .await
        .fails_with(ErrorKind::TimedOut, "timeout");
    drop(silent);
    let gone = at(&format!("http://{address}"), json!({}));
    gone.fetch("aws:ai")
        .await
        .fails_with(ErrorKind::Unreachable, &address);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_read_only_so_far() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    // Without a length, so in chunks; the end is far beyond what any client may read.
    let endless = move || async move {
        let chunks = (0..4096).map(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(vec![b'x'; 64 << 10])
        });
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    let server = HttpServer::start(Router::new().fallback(any(endless)));
    at(&server.url(), json!({}))
        .fetch("aws:ai")
        .await
        .fails_with(ErrorKind::Malformed, "longer than any secret");
    let read = sent.load(Ordering::SeqCst);
    assert!(read < 1024, "{read} chunks left the server");
}

#[tokio::test]
async fn neither_key_nor_credentials_are_traced_at_any_level() {
    let moto = Moto::shared();
    let store = at(moto.address(), json!({}));
    let name = moto.fresh("canary-value");
    let (trace, _guard) = Trace::start();
    assert_eq!(
        store.fetch(&format!("aws:{name}")).await.value(),
        "canary-value"
    );
    let said = trace.text();
    assert!(
        said.contains("aws_"),
        "the crates that are watched do trace"
    );
    assert_eq!(said.lines().find(|line| line.contains(CANARY)), None);
}

#[tokio::test]
async fn no_connection_stays_open_after_an_answer() {
    let (url, read_on) = once(
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 38\r\n\r\n\
         {\"__type\":\"ResourceNotFoundException\"}",
    );
    let store = at(&url, json!({}));
    assert_eq!(store.fetch("aws:ai").await, Got::Miss);
    assert_eq!(read_on.await.unwrap(), 0, "the connection was closed");
    drop(store); // Not before: what ends with the client proves nothing.
}

#[test]
fn an_endpoint_or_credentials_that_only_a_profile_names_keep_our_rules() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let profile = "[default]\nregion = eu-central-1\nendpoint_url = http://store.example:1\n";
    std::fs::write(&file, profile).unwrap();
    let nothing = folder.path().join("credentials");
    in_own_environment(
        "aws::under_a_profile",
        &[
            ("AWS_CONFIG_FILE", file.to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", nothing.to_str().unwrap()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ],
    );
}

#[tokio::test]
#[ignore = "run by the test above, where a profile names an endpoint and no credentials"]
async fn under_a_profile() {
    let settings = json!({ "aws": {} });
    let store = Store::with_taken(settings.clone(), &CREDENTIALS).unwrap();
    store
        .fetch("aws:ai")
        .await
        .fails_with(ErrorKind::Misconfigured, "plain `http`");
    let store = Store::with_taken(settings, &[]).unwrap();
    store
        .fetch("aws:ai")
        .await
        .fails_with(ErrorKind::LoginFailed, "no AWS credentials");
}

#[test]
fn a_login_keeps_the_rule_about_clear_text_too() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, CANARY).unwrap();
    let moto = Moto::shared();
    for (sts, expected) in [
        ("http://sts.example:1", "refused"),
        (moto.address(), "sent"),
    ] {
        in_own_environment(
            "aws::with_a_web_identity",
            &[
                ("AWS_CONFIG_FILE", "/nonexistent"),
                ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("AWS_REGION", Moto::REGION),
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x"),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
                ("AWS_ENDPOINT_URL_STS", sts),
                ("TEST_ADDRESS", moto.address()),
                ("TEST_EXPECTED", expected),
            ],
        );
    }
}

#[tokio::test]
#[ignore = "run by the test above, where a web identity logs in at an STS"]
async fn with_a_web_identity() {
    let variable = |name| std::env::var(name).unwrap();
    let aws = json!({ "endpoint_url": variable("TEST_ADDRESS") });
    let store = Store::with_taken(json!({ "aws": aws }), &[]).unwrap();
    let got = store.fetch(&format!("aws:{}", unique("never"))).await;
    if variable("TEST_EXPECTED") == "sent" {
        assert_eq!(got, Got::Miss, "an STS on this machine is asked");
    } else {
        got.fails_with(ErrorKind::Misconfigured, "plain `http`");
    }
}

#[test]
fn a_region_that_nobody_names_is_asked_for() {
    in_own_environment(
        "aws::without_a_region",
        &[
            ("AWS_CONFIG_FILE", "/nonexistent"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ],
    );
}

#[tokio::test]
#[ignore = "run by the test above, where nothing names a region"]
async fn without_a_region() {
    let store = Store::with_taken(json!({ "aws": {} }), &CREDENTIALS).unwrap();
    store
        .fetch("aws:ai")
        .await
        .fails_with(ErrorKind::Misconfigured, "region");
}

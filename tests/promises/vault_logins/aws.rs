//! The AWS login: signed here, asked of STS by Vault. OpenBao has no such method, so a strict
//! stand-in of Vault's endpoint takes the request apart as Vault does, checks its signature by its
//! own reckoning, and has a real server of STS's protocol (moto) answer the question.
//! <https://developer.hashicorp.com/vault/api-docs/auth/aws#login>

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::any,
};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{check, fails_with, setup};
use crate::support::{http::Request, keyward::Setup, moto::Moto, tls::HttpServer};

const KEY_ID: &str = "AKIDCANARYKEYID00000";
const SECRET: &str = "canary/secret+key0000000000000000000000";
const SESSION: &str = "canary-session-token";
const SERVER_ID: &str = "vault.keyward.test";

/// What the stand-in is told to insist on.
struct Vault {
    moto: String,
    region: String,
    /// The host that the question must be signed for.
    host: String,
}

/// Refuses as Vault does.
fn refuse(what: &str) -> (StatusCode, String) {
    (
        StatusCode::BAD_REQUEST,
        json!({ "errors": [what] }).to_string(),
    )
}

fn decoded(body: &Value, key: &str) -> String {
    let bytes = BASE64.decode(body[key].as_str().unwrap()).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// `POST auth/aws/login`, and a secret for the token that it gives.
async fn answer(
    State(vault): State<Arc<Vault>>,
    path: axum::http::Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    match path.path() {
        "/v1/auth/iam/login" => {}
        "/v1/auth/token/revoke-self" => return (StatusCode::NO_CONTENT, String::new()),
        _ if headers
            .get("x-vault-token")
            .is_some_and(|token| token == "s.from-aws") =>
        {
            let data = json!({ "data": { "api_key": "k" }, "metadata": { "version": 1 } });
            return (StatusCode::OK, json!({ "data": data }).to_string());
        }
        _ => {
            return (
                StatusCode::FORBIDDEN,
                json!({ "errors": ["permission denied"] }).to_string(),
            );
        }
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    if body["role"] != "app" {
        return refuse("entry for role \"canary\" not found");
    }
    assert_eq!(body["iam_http_request_method"], "POST");
    let url = decoded(&body, "iam_request_url");
    assert_eq!(url, format!("http://{}/", vault.host));
    let question = decoded(&body, "iam_request_body");
    assert_eq!(question, "Action=GetCallerIdentity&Version=2011-06-15");
    let signed: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&decoded(&body, "iam_request_headers")).unwrap();
    let signed: BTreeMap<String, String> = signed
        .into_iter()
        .map(|(name, values)| (name.to_lowercase(), values.concat()))
        .collect();
    if signed
        .get("x-vault-aws-iam-server-id")
        .is_none_or(|id| id != SERVER_ID)
    {
        return refuse("error validating X-Vault-AWS-IAM-Server-ID header: canary");
    }
    if signed.get("authorization") != Some(&authorization(&vault, &signed, &question)) {
        return refuse("error making upstream request: received error code 403 from STS: canary");
    }
    // The question is sent as it was signed.
    let moto = vault.moto.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut request = Request::new("POST", moto).body(&question);
        for (name, value) in signed.iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        request.send().unwrap()
    });
    let identity = asked.await.unwrap();
    assert_eq!(identity.status, 200, "{}", identity.text);
    assert!(
        identity.text.contains("<Arn>arn:aws:sts::"),
        "{}",
        identity.text
    );
    let auth = json!({ "client_token": "s.from-aws", "lease_duration": 60, "renewable": false });
    (StatusCode::OK, json!({ "auth": auth }).to_string())
}

/// The header that a signer with [`SECRET`] must have made.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
fn authorization(vault: &Vault, signed: &BTreeMap<String, String>, question: &str) -> String {
    let covered: Vec<(&String, &String)> = signed
        .iter()
        .filter(|(name, _)| *name != "authorization")
        .collect();
    let names: Vec<&str> = covered.iter().map(|(name, _)| name.as_str()).collect();
    for needed in [
        "host",
        "x-amz-date",
        "x-amz-security-token",
        "x-vault-aws-iam-server-id",
    ] {
        assert!(
            names.contains(&needed),
            "{needed} is signed, too: {names:?}"
        );
    }
    assert_eq!(signed["host"], vault.host);
    let lines: String = covered
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let names = names.join(";");
    let digest = hex(&Sha256::digest(question));
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{digest}");
    let at = &signed["x-amz-date"];
    let scope = format!("{}/{}/sts/aws4_request", &at[..8], vault.region);
    let hashed = hex(&Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashed}");
    let key = scope
        .split('/')
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| {
            mac(&key, part)
        });
    let signature = hex(&mac(&key, &text));
    format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={names}, \
         Signature={signature}"
    )
}

fn arrange(vault: &HttpServer, auth: &str) -> Setup {
    let sts = Moto::shared().address();
    let region = Moto::REGION;
    let auth = format!("aws: {{ {auth}, region: {region}, sts_endpoint: \"{sts}\", mount: iam }}");
    setup(&vault.url(), "any", &auth, "")
}

fn with_credentials(setup: Setup, secret: &str) -> Setup {
    setup
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_SESSION_TOKEN", SESSION)
}

fn stand_in() -> HttpServer {
    let moto = Moto::shared().address();
    let vault = Arc::new(Vault {
        moto: moto.to_owned(),
        region: Moto::REGION.to_owned(),
        host: moto.trim_start_matches("http://").to_owned(),
    });
    HttpServer::start(Router::new().fallback(any(answer)).with_state(vault))
}

#[test]
fn an_iam_identity_logs_in_with_a_question_that_only_it_can_sign() {
    let vault = stand_in();
    let auth = format!("role: app, server_id_header: {SERVER_ID}");
    assert_eq!(
        check(&with_credentials(arrange(&vault, &auth), SECRET)),
        Ok(())
    );

    // Where the SDK looks, if the variables are not set.
    let by_profile = arrange(&vault, &auth);
    let folder = by_profile.folder().join("home/.aws");
    std::fs::create_dir(&folder).unwrap();
    let profile = format!(
        "[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n\
         aws_session_token = {SESSION}\n"
    );
    crate::support::keyward::write_private(&folder.join("credentials"), &profile);
    assert_eq!(check(&by_profile), Ok(()));
}

#[test]
fn an_iam_login_that_fails_is_told() {
    let vault = stand_in();
    let with = |auth: &str| with_credentials(arrange(&vault, auth), SECRET);
    let server_id = format!("server_id_header: {SERVER_ID}");
    fails_with(
        &with("role: app"),
        &["login failed", "auth.aws.server_id_header"],
    );
    fails_with(
        &with(&format!("role: nobody, {server_id}")),
        &["no such role", "auth.aws.role"],
    );
    let role = format!("role: app, {server_id}");
    let wrong = with_credentials(arrange(&vault, &role), "canary-wrong");
    fails_with(
        &wrong,
        &["did not recognise who signed", "auth.aws.sts_endpoint"],
    );
    // No profile, and no metadata service may be asked.
    let none = arrange(&vault, &role).env("AWS_EC2_METADATA_DISABLED", "true");
    fails_with(&none, &["no AWS credentials", "AWS_ACCESS_KEY_ID"]);
}

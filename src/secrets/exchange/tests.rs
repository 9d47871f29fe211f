//! Exchanges with a strict stand-in for each authority.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

const TOKEN: &str = "ya29.c.token-of-the-exchange..";

/// Serves `answer` at the path it is asked at; gives its address.
async fn authority(
    answer: impl Fn(&str, Vec<(String, String)>) -> Response + Clone + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move |request: Request| {
        let answer = answer.clone();
        async move {
            let kind = request.headers()["content-type"].clone();
            assert_eq!(kind, "application/x-www-form-urlencoded");
            let path = request.uri().path().to_owned();
            let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
            let form =
                reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(&body)))
                    .unwrap();
            let form = form
                .query_pairs()
                .map(|(name, value)| (name.into_owned(), value.into_owned()));
            answer(&path, form.collect())
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn granted() -> Response {
    let body = json!({ "access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer" });
    body.to_string().into_response()
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    let found = form.iter().find(|(other, _)| other == name);
    found.map(|(_, value)| value.as_str()).unwrap_or_default()
}

fn exchange(yaml: &str) -> Result<Exchange, crate::settings::Problem> {
    let settings: ExchangeSettings = serde_saphyr::from_str(yaml).unwrap();
    settings.resolve("n")
}

async fn exchanged(yaml: &str, secret: &str) -> Result<String, ProviderError> {
    let pool = Pool::reserve();
    let found = Found {
        value: Arc::new(pool.store(secret.as_bytes()).await.unwrap()),
        version: Some("7".to_owned()),
        created_at: None,
        expires_at: None,
    };
    let token = exchange(yaml).unwrap().exchanged(found, &pool).await?;
    assert_eq!(token.version.as_deref(), Some("7"));
    let lasts = token.expires_at.unwrap() - Instant::now();
    assert!(lasts <= Duration::from_secs(3599 - 60) && lasts > Duration::from_secs(3500));
    Ok(String::from_utf8(token.value.as_slice().to_vec()).unwrap())
}

#[tokio::test]
async fn a_service_account_signs_for_its_token_and_for_no_other_address() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = key.public_key().as_ref().to_vec();
    let address = authority(move |path, form| {
        assert_eq!(path, "/token");
        assert_eq!(
            field(&form, "grant_type"),
            "urn:ietf:params:oauth:grant-type:jwt-bearer"
        );
        let assertion = field(&form, "assertion");
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let verifier = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.clone());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        verifier.verify(signed.as_bytes(), &signature).unwrap();
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(
            parts[0],
            json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" })
        );
        assert_eq!(parts[1]["iss"], "robot@team-a.iam.example");
        assert_eq!(
            parts[1]["scope"],
            "https://www.googleapis.com/auth/cloud-platform"
        );
        assert!(parts[1]["aud"].as_str().unwrap().ends_with("/token"));
        let (issued, ends) = (
            parts[1]["iat"].as_i64().unwrap(),
            parts[1]["exp"].as_i64().unwrap(),
        );
        assert!(ends - issued <= 3600 && (jiff::Timestamp::now().as_second() - issued).abs() < 60);
        granted()
    })
    .await;
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let key_file = json!({
        "type": "service_account", "project_id": "team-a", "private_key_id": "key-1",
        "private_key": pem, "client_email": "robot@team-a.iam.example",
        // Followed, it would take the assertion elsewhere.
        "token_uri": "https://evil.example/token",
    });
    let yaml = format!("google_service_account: {{ token_url: '{address}/token' }}");
    assert_eq!(
        exchanged(&yaml, &key_file.to_string()).await.unwrap(),
        TOKEN
    );
    for wrong in [
        "",
        "{}",
        "sk-123",
        r#"{"client_email":"a","private_key":"b"}"#,
    ] {
        let error = exchanged(&yaml, wrong).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{wrong}");
    }
}

#[tokio::test]
async fn an_application_gives_its_secret_for_its_token() {
    const SECRET: &str = "a~Q8 +&=%secret";
    let address = authority(|path, form| {
        assert_eq!(path, "/my-tenant/oauth2/v2.0/token");
        let expected = [
            ("grant_type", "client_credentials"),
            ("client_id", "my-app"),
            ("scope", "https://cognitiveservices.azure.com/.default"),
            ("client_secret", SECRET),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(form, expected);
        granted()
    })
    .await;
    let yaml =
        format!("entra_client: {{ tenant: my-tenant, client_id: my-app, authority: '{address}' }}");
    assert_eq!(exchanged(&yaml, SECRET).await.unwrap(), TOKEN);
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_and_in_no_other_words() {
    for (status, body, kind, said) in [
        (
            401,
            json!({ "error": "invalid_client", "error_description": "secret a~Q8 is wrong" }),
            ErrorKind::LoginFailed,
            "invalid_client",
        ),
        (
            400,
            json!({ "error": "a~Q8" }),
            ErrorKind::LoginFailed,
            "status 400",
        ),
        (429, json!({}), ErrorKind::Throttled, "status 429"),
        (503, json!("busy"), ErrorKind::ServerFailed, "status 503"),
        (302, json!({}), ErrorKind::Misconfigured, "status 302"),
        (
            200,
            json!({ "access_token": "two words", "expires_in": 1 }),
            ErrorKind::Malformed,
            "other than a token",
        ),
        (
            200,
            json!({ "access_token": "t", "expires_in": 0 }),
            ErrorKind::Malformed,
            "other than a token",
        ),
    ] {
        let address = authority(move |_, _| {
            (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
        })
        .await;
        let yaml = format!("entra_client: {{ tenant: t, client_id: c, authority: '{address}' }}");
        let error = exchanged(&yaml, "a~Q8-secret").await.unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
        let told = error.to_string() + &format!("{error:?}");
        assert!(told.contains(said) && !told.contains("a~Q8"), "{told}");
    }
    let gone = exchanged(
        "entra_client: { tenant: t, client_id: c, authority: 'http://127.0.0.1:9' }",
        "s",
    )
    .await;
    assert_eq!(gone.unwrap_err().kind, ErrorKind::Unreachable);
}

#[test]
fn a_secret_is_sent_over_tls_to_a_plain_address() {
    for wrong in [
        "google_service_account: { token_url: 'http://oauth2.googleapis.com/token' }",
        "google_service_account: { token_url: 'https://u:p@a.example/token' }",
        "google_service_account: { token_url: 'https://a.example/token?x=1' }",
        "google_service_account: { token_url: 'nowhere' }",
        "entra_client: { tenant: t, client_id: c, authority: 'http://login.example' }",
        "entra_client: { tenant: '../x', client_id: c }",
        "entra_client: { tenant: t, client_id: 'a b' }",
    ] {
        assert!(exchange(wrong).is_err(), "{wrong}");
    }
    assert!(exchange("google_service_account: {}").is_ok());
    assert!(exchange("entra_client: { tenant: contoso.onmicrosoft.com, client_id: 5c1 }").is_ok());
}

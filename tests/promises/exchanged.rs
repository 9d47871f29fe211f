//! A service account's key, as Google hands it out, is exchanged for the token that is sent: from
//! wherever it is kept, with its lines as they are.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use axum::{Router, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::arrangement::chat_settings;
use crate::support::{
    keyward::{LEGACY, Setup, write_private},
    tls::HttpServer,
    upstream::{ANSWER, Dialect, MODEL, Upstream},
    vendors::Vendor,
};

const TOKEN: &str = "ya29.token-of-the-exchange-0123456789";

/// The file that Google's console hands out.
fn key_file() -> String {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in STANDARD.encode(der.as_ref()).as_bytes().chunks(64) {
        pem += std::str::from_utf8(line).unwrap();
        pem += "\n";
    }
    pem += "-----END PRIVATE KEY-----\n";
    let file = json!({
        "type": "service_account", "project_id": "team-a", "private_key_id": "key-1",
        "private_key": pem, "client_email": "robot@team-a.iam.example",
    });
    serde_json::to_string_pretty(&file).unwrap() + "\n"
}

#[test]
fn a_key_file_is_exchanged_as_google_hands_it_out_wherever_it_is_kept() {
    let authority = HttpServer::start(Router::new().route(
        "/token",
        post(async || json!({ "access_token": TOKEN, "expires_in": 3599 }).to_string()),
    ));
    let upstream = Upstream::start(Dialect::Of(Vendor::Vertex), Some(TOKEN));
    let key_file = key_file();
    for place in ["env:GOOGLE_KEY", "file:key.json"] {
        let config = format!(
            r#"secrets:
  names:
    google:
      ref: "{place}"
      exchange: {{ google_service_account: {{ token_url: "{}/token" }} }}
models:
  providers:
    stand-in:
      protocol: vertex
      base_url: "{}"
      secret: google
      {}
      models: [{MODEL}]
"#,
            authority.url(),
            upstream.base_url(),
            Vendor::Vertex.settings()
        );
        let setup = Setup::with_config(&config).env("GOOGLE_KEY", &key_file);
        write_private(&setup.folder().join("key.json"), &key_file);
        let mut keyward = setup.serve();
        keyward.initialize(LEGACY);
        let answer = keyward.call("chat", json!({ "prompt": "ping" }));
        let result = &answer["result"];
        assert_eq!(
            result["structuredContent"]["answer"], ANSWER,
            "{place}: {result}"
        );
    }
}

#[test]
fn a_whole_object_is_sent_nowhere_unless_it_is_the_key_of_a_service_account() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let authority = HttpServer::start(Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "{}" }
    }));
    let upstream = Upstream::start(Dialect::OpenAi, Some(TOKEN));
    let entra = format!(
        ", exchange: {{ entra_client: {{ tenant: t, client_id: c, authority: \"{}\" }} }}",
        authority.url()
    );
    let object = json!({ "api_key": TOKEN, "other": "sk-other" }).to_string();
    for (reference, exchange, is_sent) in [
        ("file:key.json", "", false),
        ("env:OBJECT", "", false),
        ("file:key.json", entra.as_str(), false),
        ("env:OBJECT", &entra, false),
        ("file:key.json#api_key", "", true),
    ] {
        let setup = Setup::with_config(&chat_settings(&upstream, reference).replace(
            &format!("\"{reference}\" }}"),
            &format!("\"{reference}\"{exchange} }}"),
        ));
        let setup = setup.env("OBJECT", &object);
        write_private(&setup.folder().join("key.json"), &object);
        let mut keyward = setup.serve();
        keyward.initialize(LEGACY);
        let before = upstream.seen().len();
        let answer = keyward.call("chat", json!({ "prompt": "ping" }));
        assert_eq!(
            answer["result"]["isError"], !is_sent,
            "{reference}{exchange}: {answer}"
        );
        assert_eq!(upstream.seen().len() - before, usize::from(is_sent));
        let log = keyward.process.stderr();
        assert_eq!(log.contains("is a JSON object"), !is_sent, "{log}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

//! Where a key may go: to the configured upstream, over TLS or loopback, and nowhere else.

use axum::{
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::{Value, json};

use super::arrangement::{KEY, chat_settings, key_in_env, key_in_file};
use crate::support::{
    keyward::{LEGACY, Setup, write_private},
    tls::{Authority, Protocol},
    upstream::{ANSWER, Dialect, Upstream},
};

fn chat(setup: Setup) -> Value {
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    keyward.call("chat", json!({ "prompt": "ping" }))["result"].clone()
}

#[test]
fn a_redirect_is_not_followed_with_a_key() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Upstream::start(Dialect::OpenAi, Some(KEY));
        let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
        let target = format!("{}/chat/completions", elsewhere.base_url());
        upstream.script(move |_| {
            let status = StatusCode::from_u16(status).unwrap();
            Some((status, [(header::LOCATION, target.clone())], "").into_response())
        });
        let result = chat(key_in_env(&upstream));
        assert_eq!(result["isError"], true, "{result}");
        assert!(
            elsewhere.seen().is_empty(),
            "{status}: {:?}",
            elsewhere.seen()
        );
    }
}

/// The other host has another name, and the answer that sends there comes after a rotation: the
/// second request is as strict as the first.
#[test]
fn a_redirect_to_another_host_arrives_nowhere_even_with_a_second_key() {
    let (first, second) = ("sk-first-0a1B2c3D4e5F6g7H8i9J", KEY);
    for status in [302, 307, 308] {
        let elsewhere = Upstream::start(Dialect::OpenAi, Some(KEY));
        let upstream = Upstream::start(Dialect::OpenAi, Some(second));
        let port = elsewhere.address().port();
        let target = format!("http://localhost:{port}/v1/chat/completions");
        let setup = key_in_file(&upstream);
        let key_file = setup.folder().join("key");
        write_private(&key_file, first);
        upstream.script(move |seen| {
            if seen.key() == Some(first) {
                write_private(&key_file, second);
                return None;
            }
            let status = StatusCode::from_u16(status).unwrap();
            Some((status, [(header::LOCATION, target.clone())], "").into_response())
        });
        let result = chat(setup);
        assert_eq!(result["isError"], true, "{result}");
        let shown = [first, second].map(|key| Some(key.to_owned()));
        assert_eq!(upstream.keys(), shown, "{status}");
        assert!(
            elsewhere.seen().is_empty(),
            "{status}: {elsewhere:?}",
            elsewhere = elsewhere.seen()
        );
    }
}

#[test]
fn loopback_traffic_uses_no_proxy() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let proxy = Upstream::start(Dialect::OpenAi, Some(KEY));
    let address = format!("http://{}", proxy.address());
    let mut setup = key_in_env(&upstream);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        setup = setup.env(name, &address);
    }
    let result = chat(setup);
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
}

#[test]
fn plain_http_to_another_host_is_refused_before_it_starts() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let settings = chat_settings(&upstream, "env:STAND_IN_KEY");
    let elsewhere = settings.replace(&upstream.base_url(), "http://upstream.example/v1");
    assert_ne!(elsewhere, settings);
    for command in ["check", "serve"] {
        let ended = Setup::with_config(&elsewhere)
            .env("STAND_IN_KEY", KEY)
            .run(&[command]);
        assert_eq!(ended.status.code(), Some(1), "{command}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("allow_plaintext"),
            "{command}: {}",
            ended.stderr
        );
    }
    let allowed = elsewhere.replace(
        "    stand-in:\n",
        "    stand-in:\n      allow_plaintext: true\n",
    );
    let ended = Setup::with_config(&allowed)
        .env("STAND_IN_KEY", KEY)
        .run(&["check"]);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn an_upstream_with_a_certificate_of_another_authority_sees_no_key() {
    let (ours, another) = (Authority::new(), Authority::new());
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let upstream = Upstream::start_tls(&ours, protocol, Dialect::OpenAi, Some(KEY));
        let trusting = |authority: &Authority| {
            let settings = chat_settings(&upstream, "env:STAND_IN_KEY").replace(
                "    stand-in:\n",
                &format!("    stand-in:\n      ca_file: {:?}\n", authority.ca_file),
            );
            Setup::with_config(&settings).env("STAND_IN_KEY", KEY)
        };
        let result = chat(trusting(&another));
        assert_eq!(result["isError"], true, "{result}");
        assert!(upstream.seen().is_empty());
        let result = chat(trusting(&ours));
        assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    }
}

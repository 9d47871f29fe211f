//! The official Python client lists the tools and calls `chat`, over both transports and in both
//! protocol eras, wherever the key lives; the upstream sees that key and no other.

use serde_json::{Value, json};

use super::arrangement::{self, KEY, chat_settings};
use crate::support::{
    http::Request,
    keyward::Setup,
    python::{self, Mode},
    upstream::{ANSWER, Dialect, Upstream},
};

const ERAS: [(Mode, &str); 3] = [
    (Mode::Legacy, "2025-11-25"),
    (Mode::Auto, "2026-07-28"),
    (Mode::Modern, "2026-07-28"),
];

/// The promise itself: what the client reports, and what the upstream saw.
#[track_caller]
pub fn assert_chatted(report: &Value, protocol: &str, upstream: &Upstream) {
    assert_eq!(report["protocol"], protocol);
    let tools: Vec<&str> = report["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(tools, ["chat", "listmodels", "version"]);
    let result = &report["calls"][0]["result"];
    assert_eq!(result["isError"], false, "{report}");
    assert_eq!(result["structuredContent"]["answer"], ANSWER);
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains(ANSWER),
        "{result}"
    );
    assert_eq!(upstream.keys(), [Some(KEY.to_owned())]);
}

#[track_caller]
fn chat_over_stdio(arrange: impl Fn(&Upstream) -> Setup) {
    for (mode, protocol) in ERAS {
        let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
        let call = ("chat", json!({ "prompt": "ping" }));
        let report = python::over_stdio(&arrange(&upstream), mode, &[call]);
        assert_chatted(&report, protocol, &upstream);
    }
}

#[test]
fn the_official_client_chats_over_stdio_with_a_key_from_the_environment() {
    chat_over_stdio(arrangement::key_in_env);
}

#[test]
fn the_official_client_chats_over_stdio_with_a_key_from_a_file() {
    chat_over_stdio(arrangement::key_in_file);
}

#[test]
fn the_official_client_chats_over_http_with_a_bearer_token() {
    for (mode, protocol) in ERAS {
        let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
        let server = arrangement::over_http(&upstream).serve_http();
        let token_file = server.setup.folder().join("token");
        let call = ("chat", json!({ "prompt": "ping" }));
        let report = python::over_http(&format!("{}/mcp", server.url), &token_file, mode, &[call]);
        assert_chatted(&report, protocol, &upstream);
    }
}

#[test]
fn http_refuses_who_has_no_token_or_another_and_asks_the_upstream_nothing() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let server = arrangement::over_http(&upstream).serve_http();
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "chat", "arguments": { "prompt": "ping" } },
    });
    let ask = || {
        Request::new("POST", format!("{}/mcp", server.url))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .json(&call)
    };
    let wrong = format!("Bearer {}", "0".repeat(arrangement::TOKEN.len()));
    assert_eq!(ask().send().unwrap().status, 401);
    assert_eq!(
        ask().header("Authorization", &wrong).send().unwrap().status,
        401
    );
    assert!(upstream.seen().is_empty());
}

#[test]
fn http_does_not_start_without_a_token_to_ask_for() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let setup = Setup::with_config(&chat_settings(&upstream, "env:STAND_IN_KEY"));
    let ended = setup.run(&["serve", "--http", "127.0.0.1:0"]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("token_secret"), "{}", ended.stderr);
}

#[test]
fn an_official_client_whose_key_is_wrong_is_told_so_without_the_key() {
    let upstream = Upstream::start(Dialect::OpenAi, Some("sk-another-0123456789abcdef"));
    let setup = arrangement::key_in_env(&upstream);
    let report = python::over_stdio(&setup, Mode::Auto, &[("chat", json!({ "prompt": "ping" }))]);
    assert_eq!(report["calls"][0]["result"]["isError"], true, "{report}");
    assert!(!report.to_string().contains(KEY), "{report}");
    // The rest of the house is open to this client all the same.
    let report = python::over_stdio(&setup, Mode::Auto, &[("listmodels", json!({}))]);
    assert_eq!(report["calls"][0]["result"]["isError"], false, "{report}");
}

#[test]
fn http_answers_400_to_what_is_no_message_413_to_what_is_too_large_and_403_to_another_site() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let server = arrangement::over_http(&upstream).serve_http();
    let bearer = format!("Bearer {}", arrangement::TOKEN);
    let ask = |body: &str| {
        Request::new("POST", format!("{}/mcp", server.url))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Authorization", &bearer)
            .body(body)
    };
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let large = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#,
        "x".repeat(8 << 20)
    );
    for malformed in ["{", "nothing", "{\"jsonrpc\":\"2.0\"}", "[]"] {
        let answer = ask(malformed).send().unwrap();
        assert_eq!(answer.status, 400, "{malformed}");
    }
    assert_eq!(ask(&large).send().unwrap().status, 413);
    let elsewhere = ask(ping).header("Origin", "https://site.example");
    assert_eq!(elsewhere.send().unwrap().status, 403);
    assert_eq!(
        ask(ping)
            .header("Host", "site.example")
            .send()
            .unwrap()
            .status,
        403
    );
    // The next client is served as before.
    assert_eq!(
        Request::new("GET", format!("{}/healthz", server.url))
            .send()
            .unwrap()
            .status,
        200
    );
    let token_file = server.setup.folder().join("token");
    let call = ("chat", json!({ "prompt": "ping" }));
    let url = format!("{}/mcp", server.url);
    let report = python::over_http(&url, &token_file, Mode::Auto, &[call]);
    assert_chatted(&report, "2026-07-28", &upstream);
}

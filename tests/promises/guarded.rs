//! The arrangement of a guarded server: a stand-in upstream, its key in a variable, and sections of
//! the guard before it; and the audit that it leaves, as text on the disk.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::arrangement::{KEY, TOKEN, chat_settings};
use crate::support::{
    http::Request,
    keyward::{Keyward, LEGACY, MODERN, Setup, modern},
    upstream::Upstream,
};

/// A file of the audit, next to the configuration.
pub const AUDIT: &str = "audit:\n  sinks: [ { file: { path: audit.jsonl } } ]\n";

/// A server whose stdio client is `alice` of the group `staff`, with further sections.
pub fn guarded(upstream: &Upstream, sections: &str) -> Setup {
    let settings = chat_settings(upstream, "env:STAND_IN_KEY");
    let server = "server:\n  stdio: { principal: { id: alice, groups: [staff] } }\n";
    Setup::with_config(&format!("{server}{sections}\n{settings}")).env("STAND_IN_KEY", KEY)
}

/// The same over HTTP, for the principal `farm`.
pub fn guarded_http(upstream: &Upstream, sections: &str) -> Setup {
    let settings = chat_settings(upstream, "env:STAND_IN_KEY");
    let server = "server:\n  http: { token_secret: http-token, principal: { id: farm } }\n";
    Setup::with_config(&format!("{server}{sections}\n{settings}"))
        .env("STAND_IN_KEY", KEY)
        .env("HTTP_TOKEN", TOKEN)
}

/// Serves on stdio, after the handshake.
pub fn serve(setup: Setup) -> Keyward {
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    keyward
}

/// Calls `chat` and gives the call's result.
pub fn chat(keyward: &mut Keyward, prompt: &str) -> Value {
    keyward.call("chat", json!({ "prompt": prompt }))["result"].clone()
}

/// The text of a result.
pub fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

/// One request over HTTP in the modern era; gives its status and body.
pub fn post(url: &str, token: Option<&str>, method: &str, params: Value) -> (u16, Value) {
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": method, "params": modern(params),
    });
    let mut request = Request::new("POST", format!("{url}/mcp"))
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", MODERN)
        .header("Mcp-Method", method);
    if !name.is_empty() {
        request = request.header("Mcp-Name", &name);
    }
    if let Some(token) = token {
        request = request.header("Authorization", &format!("Bearer {token}"));
    }
    let answer = request.json(&body).send().unwrap();
    let body = serde_json::from_str(&answer.text).unwrap_or_default();
    (answer.status, body)
}

/// Where the audit of a setup is.
pub fn audit_file(setup: &Setup) -> PathBuf {
    setup.folder().join("audit.jsonl")
}

/// The records of a setup, in their order.
pub fn records(setup: &Setup) -> Vec<Value> {
    let text = std::fs::read_to_string(audit_file(setup)).unwrap_or_default();
    let read = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(read).collect()
}

/// The records of one kind.
pub fn events(setup: &Setup, event: &str) -> Vec<Value> {
    let mut all = records(setup);
    all.retain(|record| record["event"] == event);
    all
}

//! Approvals: a call that a rule wants a person for runs after that person's word and not before,
//! in both protocol eras; what a client makes up in its stead is worth nothing.

use serde_json::{Value, json};

use super::guarded::{AUDIT, chat, events, guarded, guarded_http, post, serve, text};
use crate::{
    promises::arrangement::{KEY, TOKEN},
    support::{
        keyward::{Keyward, LEGACY, modern},
        upstream::{ANSWER, Dialect, Upstream},
    },
};

const POLICY: &str = "policy:
  rules:
    - { id: ask-first, when: { tools: [chat] }, action: require_approval, reason: It costs money. }
";

fn upstream() -> Upstream {
    Upstream::start(Dialect::OpenAi, Some(KEY))
}

/// A client of the legacy era that can show its user a form.
fn asking_client(upstream: &Upstream) -> Keyward {
    let mut keyward = guarded(upstream, &format!("{POLICY}{AUDIT}")).serve();
    let params = json!({
        "protocolVersion": LEGACY, "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "asker", "version": "7" },
    });
    keyward.request("initialize", params);
    keyward.notify("notifications/initialized", json!({}));
    keyward
}

/// Calls `chat`, answers what is asked meanwhile with `action`, and gives question and result.
fn chat_answering(keyward: &mut Keyward, action: &str) -> (Value, Value) {
    let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let id = keyward.start_request("tools/call", params);
    let question = keyward.read();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let answer = json!({ "action": action, "content": {} });
    keyward.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer }));
    (question, keyward.answer_to(id)["result"].clone())
}

#[test]
fn a_client_that_can_ask_is_asked_and_the_call_runs_only_on_yes() {
    let upstream = upstream();
    let mut keyward = asking_client(&upstream);
    for no in ["decline", "cancel"] {
        let (question, result) = chat_answering(&mut keyward, no);
        let message = question["params"]["message"].as_str().unwrap();
        assert!(
            message.contains("It costs money.") && message.contains("prompt: \"ping\""),
            "{message}"
        );
        assert_eq!(result["isError"], true, "{result}");
        assert!(upstream.seen().is_empty());
    }
    let (_, result) = chat_answering(&mut keyward, "accept");
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    assert_eq!(upstream.seen().len(), 1);
    let ends = events(&keyward.setup, "call_ended");
    let codes: Vec<_> = ends
        .iter()
        .map(|end| end["code"].as_str().unwrap_or("-"))
        .collect();
    let asked = "approval_required";
    let declined = "approval_declined";
    assert_eq!(codes, [asked, declined, asked, declined, asked, "-"]);
    assert_eq!(ends[5]["outcome"], "answered");
    let decisions = events(&keyward.setup, "policy_decision");
    let verdicts: Vec<_> = decisions
        .iter()
        .map(|it| &it["decision"]["verdict"])
        .collect();
    assert_eq!(verdicts.last().unwrap(), &"approved", "{decisions:#?}");
    assert!(
        verdicts
            .iter()
            .rev()
            .skip(1)
            .all(|verdict| *verdict == "require_approval")
    );
    assert_eq!(
        ends[0]["client"],
        json!({ "name": "asker", "version": "7" })
    );
}

#[test]
fn a_client_that_cannot_ask_is_refused_and_told_what_to_do() {
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, &format!("{POLICY}{AUDIT}")));
    let result = chat(&mut keyward, "ping");
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("elicitation"), "{result}");
    let modern_call = modern(json!({ "name": "chat", "arguments": { "prompt": "ping" } }));
    let result = keyward.request("tools/call", modern_call)["result"].clone();
    assert_eq!(result["isError"], true, "{result}");
    assert!(upstream.seen().is_empty());
    let ends = events(&keyward.setup, "call_ended");
    assert!(
        ends.iter().any(|end| end["code"] == "approval_unavailable"),
        "{ends:#?}"
    );
}

/// A modern call of a client that can show a form.
fn params(prompt: &str) -> Value {
    let mut params = json!({ "name": "chat", "arguments": { "prompt": prompt } });
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "elicitation": { "form": {} } });
    params
}

fn with_answer(mut params: Value, state: &str, action: &str) -> Value {
    params["inputResponses"] = json!({ "approval": { "action": action, "content": {} } });
    params["requestState"] = json!(state);
    params
}

fn call(url: &str, params: Value) -> Value {
    let (_, answer) = post(url, Some(TOKEN), "tools/call", params);
    answer["result"].clone()
}

#[test]
fn in_the_modern_era_the_answer_asks_and_its_state_is_good_for_that_call_once() {
    let upstream = upstream();
    let server = guarded_http(&upstream, POLICY).serve_http();
    let asked = call(&server.url, params("ping"));
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let question = &asked["inputRequests"]["approval"];
    assert_eq!(question["method"], "elicitation/create", "{asked}");
    let state = asked["requestState"].as_str().unwrap().to_owned();
    assert!(upstream.seen().is_empty());

    // Another call, a made-up state, a state without a yes: each is asked for again or refused.
    let mut forged = state.clone().into_bytes();
    let last = forged.len() - 1;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for wrong in [
        with_answer(params("other"), &state, "accept"),
        with_answer(params("ping"), &forged, "accept"),
        with_answer(params("ping"), "", "accept"),
        with_answer(params("ping"), &state, "decline"),
    ] {
        let result = call(&server.url, wrong.clone());
        let is_answer = result["structuredContent"]["answer"] == ANSWER;
        assert!(!is_answer, "{wrong} {result}");
    }
    assert!(upstream.seen().is_empty());

    let answered = call(&server.url, with_answer(params("ping"), &state, "accept"));
    assert_eq!(
        answered["structuredContent"]["answer"], ANSWER,
        "{answered}"
    );
    let again = call(&server.url, with_answer(params("ping"), &state, "accept"));
    assert_eq!(again["resultType"], "input_required", "{again}");
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn a_legacy_client_over_stateless_http_cannot_be_asked_and_is_refused() {
    let upstream = upstream();
    let server = guarded_http(&upstream, POLICY).serve_http();
    let plain = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let (_, answer) = post(&server.url, Some(TOKEN), "tools/call", plain);
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(upstream.seen().is_empty());
}

#[test]
fn what_waits_for_a_person_is_bounded() {
    let upstream = upstream();
    let mut keyward = asking_client(&upstream);
    let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let waiting: Vec<u64> = (0..33)
        .map(|_| keyward.start_request("tools/call", params.clone()))
        .collect();
    // One of them is refused at once; the others ask.
    let refused = loop {
        let message = keyward.read();
        if message.get("method").is_none() {
            break message;
        }
    };
    assert!(
        waiting.contains(&refused["id"].as_u64().unwrap()),
        "{refused}"
    );
    assert!(
        text(&refused["result"]).contains("wait for a person"),
        "{refused}"
    );
    assert!(upstream.seen().is_empty());
}

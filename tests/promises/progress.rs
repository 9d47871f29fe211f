//! A client that asks for progress gets it, rising, under its own token; one that does not is left
//! in peace.

use serde_json::{Value, json};

use super::arrangement::{KEY, key_in_env};
use crate::support::{
    keyward::{Keyward, LEGACY},
    upstream::{ANSWER, Dialect, Upstream},
};

/// Calls `chat` with `meta`, lets the upstream answer after the first note if one is due, and gives
/// the notes that came before the answer.
fn notes_of_a_chat(meta: Option<Value>) -> Vec<Value> {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let mut keyward: Keyward = key_in_env(&upstream).serve();
    keyward.initialize(LEGACY);
    upstream.hold();
    let mut params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let asked = meta.is_some();
    if let Some(meta) = meta {
        params["_meta"] = meta;
    }
    let call = keyward.start_request("tools/call", params);
    upstream.wait_for_requests(1);
    let mut notes = Vec::new();
    // A waiting call reports by itself, so this ends only if it does.
    while asked && notes.len() < 2 {
        notes.push(keyward.read());
    }
    upstream.release();
    let answer = keyward.answer_to(call);
    assert_eq!(
        answer["result"]["structuredContent"]["answer"], ANSWER,
        "{answer}"
    );
    notes.extend(keyward.take_others());
    notes
}

#[test]
fn progress_rises_under_the_token_of_the_client() {
    let notes = notes_of_a_chat(Some(json!({ "progressToken": "mine" })));
    let mut last = f64::NEG_INFINITY;
    for note in &notes {
        assert_eq!(note["method"], "notifications/progress", "{note}");
        assert_eq!(note["params"]["progressToken"], "mine");
        let progress = note["params"]["progress"].as_f64().unwrap();
        assert!(progress > last, "{notes:?}");
        last = progress;
        assert!(note["params"]["message"].is_string(), "{note}");
    }
}

#[test]
fn a_client_that_did_not_ask_hears_nothing_but_its_answer() {
    assert_eq!(notes_of_a_chat(None), Vec::<Value>::new());
}

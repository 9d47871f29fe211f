//! The audit under `kill -9`: at whatever moment the process dies, no upstream saw a request whose
//! call is not on the disk, and the chain holds.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    arrangement::KEY,
    guarded::{AUDIT, audit_file, events, guarded, records},
};
use crate::support::{
    keyward::{LEGACY, Setup},
    upstream::{Dialect, Upstream},
};

/// How often the process is killed.
const KILLS: usize = 100;
/// Calls that are under way when it happens.
const CALLS: usize = 12;

#[test]
fn a_hundred_kills_lose_no_accepted_record_and_break_no_chain() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let audit = AUDIT.replace("sinks:", "clear_arguments: true\n  sinks:");
    let setup = guarded(&upstream, &audit);
    let config = setup.config_file().to_str().unwrap().to_owned();
    let mut answered = BTreeSet::new();
    for round in 0..KILLS {
        let again = Setup::bare()
            .env("KEYWARD_CONFIG", &config)
            .env("STAND_IN_KEY", KEY);
        let mut keyward = again.serve();
        keyward.initialize(LEGACY);
        let started: Vec<(u64, String)> = (0..CALLS)
            .map(|number| {
                let prompt = format!("prompt-{round}-{number}.");
                let params = json!({ "name": "chat", "arguments": { "prompt": prompt } });
                (keyward.start_request("tools/call", params), prompt)
            })
            .collect();
        // After as many answers as the round says, so that each moment has its turn.
        for (id, prompt) in started.iter().take(round % CALLS) {
            keyward.answer_to(*id);
            answered.insert(prompt.clone());
        }
        keyward.process.kill();
    }
    let accepted: BTreeSet<String> = events(&setup, "call_accepted")
        .iter()
        .map(|record| record["arguments"]["prompt"].as_str().unwrap().to_owned())
        .collect();
    let seen = upstream.seen();
    assert!(seen.len() > KILLS, "only {} requests got out", seen.len());
    for request in &seen {
        let messages = request.body["messages"].as_array().unwrap();
        let prompt = messages.last().unwrap()["content"].as_str().unwrap();
        assert!(accepted.contains(prompt), "{prompt} left without a record");
    }
    let ended: BTreeSet<_> = events(&setup, "call_ended")
        .into_iter()
        .filter(|record| record["outcome"] == "answered")
        .map(|record| record["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        ended.len() >= answered.len(),
        "an answer left without its record"
    );
    let file = audit_file(&setup);
    let verified = setup.run(&["audit", "verify", file.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    assert!(records(&setup).len() > KILLS * 3);
}

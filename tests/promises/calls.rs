//! Calls run side by side, reach the upstream only when they should, and end with their client.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    arrangement::{KEY, key_in_env},
    guarded::{AUDIT, events, guarded, serve},
};
use crate::support::{
    keyward::{Keyward, LEGACY, MODERN, modern, write_private},
    upstream::{ANSWER, Dialect, Upstream},
};

fn serving() -> (Upstream, Keyward) {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let mut keyward = key_in_env(&upstream).serve();
    keyward.initialize(LEGACY);
    (upstream, keyward)
}

fn chat() -> Value {
    json!({ "name": "chat", "arguments": { "prompt": "ping" } })
}

#[test]
fn three_chats_run_together_and_a_ping_between_them_is_answered_first() {
    let (upstream, mut keyward) = serving();
    upstream.hold();
    let calls: Vec<u64> = (0..3)
        .map(|_| keyward.start_request("tools/call", chat()))
        .collect();
    // All three are at the upstream before any is answered.
    upstream.wait_for_requests(3);
    let ping = keyward.start_request("ping", json!({}));
    assert_eq!(keyward.read()["id"], ping);
    upstream.release();
    for call in calls {
        let answer = keyward.answer_to(call);
        assert_eq!(
            answer["result"]["structuredContent"]["answer"], ANSWER,
            "{answer}"
        );
    }
}

#[test]
fn a_cancelled_call_lets_go_of_the_upstream() {
    let (upstream, mut keyward) = serving();
    upstream.hold();
    let call = keyward.start_request("tools/call", chat());
    upstream.wait_for_requests(1);
    keyward.notify("notifications/cancelled", json!({ "requestId": call }));
    upstream.wait_for_abandoned(1);
    assert!(keyward.request("ping", json!({})).get("result").is_some());
}

#[test]
fn refused_arguments_name_their_place_and_reach_no_upstream() {
    let (upstream, mut keyward) = serving();
    let wrong = [
        (json!({}), "prompt"),
        (
            json!({ "prompt": "x", "temperature": "hot" }),
            "/temperature",
        ),
        (json!({ "prompt": "x", "surprise": 1 }), "surprise"),
    ];
    for (arguments, place) in wrong {
        let answer = keyward.call("chat", arguments);
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(place), "{text}");
    }
    assert_eq!(keyward.call("surprise", json!({}))["error"]["code"], -32602);
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_newer_era_is_served_without_a_handshake() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let mut keyward = key_in_env(&upstream).serve();
    let discovered = keyward.discover();
    assert!(
        discovered["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!(MODERN))
    );
    let answer = keyward.request("tools/call", modern(chat()));
    assert_eq!(
        answer["result"]["structuredContent"]["answer"], ANSWER,
        "{answer}"
    );
    // A request without its `_meta` is not of this era, and is refused as such.
    assert!(
        keyward
            .request("tools/list", json!({}))
            .get("error")
            .is_some()
    );
}

#[test]
fn the_end_of_stdin_lets_a_call_in_flight_finish_and_ends_the_process() {
    let (upstream, mut keyward) = serving();
    upstream.hold();
    let call = keyward.start_request("tools/call", chat());
    upstream.wait_for_requests(1);
    keyward.process.close_stdin();
    upstream.release();
    assert_eq!(
        keyward.answer_to(call)["result"]["structuredContent"]["answer"],
        ANSWER
    );
    assert_eq!(keyward.process.wait().code(), Some(0));
}

#[test]
fn sigterm_cancels_what_does_not_finish_and_ends_with_exit_code_0() {
    let (upstream, mut keyward) = serving();
    upstream.hold();
    keyward.start_request("tools/call", chat());
    upstream.wait_for_requests(1);
    keyward.process.signal(Signal::SIGTERM);
    assert_eq!(keyward.process.wait().code(), Some(0));
    upstream.wait_for_abandoned(1);
}

#[test]
fn a_long_line_and_invalid_utf_8_leave_the_next_request_answered() {
    let (_upstream, mut keyward) = serving();
    let long = vec![b'x'; 50 << 20];
    keyward.send_line(&long);
    keyward.send_line(b"{\"jsonrpc\": \"2.0\", \xff\xfe}");
    assert!(keyward.request("ping", json!({})).get("result").is_some());
    let status = std::fs::read_to_string(format!("/proc/{}/status", keyward.process.id())).unwrap();
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.parse().ok())
        .unwrap();
    assert!(peak < 64 * 1024, "{peak} kB at the most");
}

#[test]
fn a_request_that_is_slow_to_begin_gets_a_second_one_beside_it_and_all_are_told() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    upstream.hold();
    let setup = guarded(&upstream, AUDIT);
    let config = std::fs::read_to_string(setup.config_file()).unwrap();
    let hedged = config.replace(
        "      secret: stand-in\n",
        "      secret: stand-in\n      hedge_after: 100ms\n",
    );
    write_private(setup.config_file(), &hedged);
    let mut keyward = serve(setup);
    let id = keyward.start_request("tools/call", chat());
    upstream.wait_for_requests(2);
    upstream.release();
    let result = keyward.answer_to(id)["result"].clone();
    let other = json!([{ "model": "stand-in", "provider": "stand-in", "because": "hedged" }]);
    assert_eq!(result["structuredContent"]["instead_of"], other, "{result}");
    assert_eq!(events(&keyward.setup, "call_ended")[0]["also_asked"], other);
    // The key is had for each of the two.
    assert_eq!(events(&keyward.setup, "secret_used").len(), 2);
    assert_eq!(
        upstream.keys(),
        [Some(KEY.to_owned()), Some(KEY.to_owned())]
    );
}

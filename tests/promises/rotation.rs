//! A key is replaced while calls run, and no call notices; a key that stays refused is told of, and
//! its store is left in peace.

use serde_json::json;

use super::stored::{In, Stored, key, serve};
use crate::support::{
    crowd::{Crowd, assert_answered},
    upstream::{ANSWER, Dialect, Upstream},
};

const CALLS: usize = 200;
const ROTATIONS: usize = 3;

/// All calls are at the upstream with the old key when it is refused.
fn when_all_calls_are_out(place: In, terms: &str) {
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let stored = Stored::put(place, &key(0));
    let mut keyward = stored.serve(&upstream, terms);
    for turn in 1..=ROTATIONS {
        upstream.hold();
        let before = upstream.seen().len();
        let crowd = Crowd::gather(&mut keyward, CALLS);
        upstream.wait_for_requests(before + CALLS);
        let fetches = stored.fetches();
        stored.rotate(&key(turn));
        upstream.take(&[&key(turn)]);
        upstream.release();
        assert_answered(&crowd.disperse());
        assert_eq!(stored.fetches(), fetches + 1, "{terms:?}, rotation {turn}");
        // Each was refused once and came again with the new key.
        let shown = upstream.keys().split_off(before);
        let with_new = shown.iter().flatten().filter(|shown| **shown == key(turn));
        assert_eq!((shown.len(), with_new.count()), (2 * CALLS, CALLS));
    }
    let log = keyward.process.stderr();
    let told = log.matches("its store has another").count();
    assert!(told >= ROTATIONS, "the operator is told\n{log}");
}

/// Calls come and go all the while: some fetch, some are on their way, some are being answered. As
/// vendors do it, both keys are good until the new one is in the store.
#[must_use]
fn when_calls_come_and_go(place: In, terms: &str, is_kept: bool) -> String {
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let stored = Stored::put(place, &key(0));
    let mut keyward = stored.serve(&upstream, terms);
    let mut crowd = Crowd::gather(&mut keyward, CALLS);
    for turn in 1..=ROTATIONS {
        crowd.turn_over(CALLS);
        upstream.take(&[&key(turn - 1), &key(turn)]);
        stored.rotate(&key(turn));
        crowd.turn_over(CALLS / 4);
        upstream.take(&[&key(turn)]);
    }
    crowd.turn_over(CALLS);
    let calls = crowd.started();
    let ended = crowd.disperse();
    assert_eq!(ended.len(), calls);
    assert_answered(&ended);
    let most = if is_kept {
        1 + ROTATIONS
    } else {
        calls + ROTATIONS
    };
    let fetches = stored.fetches();
    assert!(fetches <= most, "{fetches} fetches for {calls} calls");
    let last = upstream.keys().pop().flatten();
    assert_eq!(last, Some(key(ROTATIONS)));
    format!("{place:?}, {terms:?}: {calls} calls, {ROTATIONS} rotations, {fetches} fetches")
}

#[test]
fn calls_that_are_all_out_with_a_key_replaced_in_vault_are_answered_for_one_fetch_more() {
    when_all_calls_are_out(In::Vault, "");
    when_all_calls_are_out(In::Vault, "ttl: 1h");
}

#[test]
fn calls_that_are_all_out_with_a_key_replaced_in_secrets_manager_are_answered_for_one_fetch_more() {
    when_all_calls_are_out(In::Aws, "");
    when_all_calls_are_out(In::Aws, "ttl: 1h");
}

#[test]
fn calls_that_come_and_go_while_a_key_is_replaced_in_vault_are_all_answered() {
    println!("{}", when_calls_come_and_go(In::Vault, "", false));
    println!("{}", when_calls_come_and_go(In::Vault, "ttl: 1h", true));
}

#[test]
fn calls_that_come_and_go_while_a_key_is_replaced_in_secrets_manager_are_all_answered() {
    println!("{}", when_calls_come_and_go(In::Aws, "", false));
    println!("{}", when_calls_come_and_go(In::Aws, "ttl: 1h", true));
}

/// The upstream refuses what the store has, and goes on to.
fn when_it_stays_refused(place: In, terms: &str, is_kept: bool) {
    let upstream = Upstream::start(Dialect::OpenAi, Some("sk-another-key"));
    let stored = Stored::put(place, &key(0));
    let mut keyward = serve(stored.setup(&upstream, terms));
    let calls = 50;
    for _ in 0..calls {
        let answer = keyward.call("chat", json!({ "prompt": "ping" }));
        let result = &answer["result"];
        assert_eq!(result["isError"], true, "{answer}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(
            text.contains("`stand-in` does not accept the key") && text.contains("request"),
            "{text}"
        );
        assert!(!text.contains(&key(0)[3..20]), "{text}");
    }
    // Each call is made once: there is nothing to try again with.
    assert_eq!(upstream.seen().len(), calls);
    let fetches = stored.fetches();
    let log = keyward.process.stderr();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("its store still has the same"))
        .collect();
    // A machine that takes more than the five seconds for fifty calls asks again; none takes a
    // minute.
    let asked_again = told.len();
    assert!((1..=12).contains(&asked_again), "{log}");
    if is_kept {
        assert!(fetches <= 1 + 2 * asked_again, "{fetches} fetches\n{log}");
    } else {
        assert_eq!(fetches, calls + asked_again, "{log}");
    }
    let (provider, version) = match place {
        In::Vault => ("vault", "\"1\""),
        In::Aws => ("aws", "version"),
    };
    for word in [provider, version, "stand-in"] {
        assert!(told[0].contains(word), "{word}: {}", told[0]);
    }
    assert!(!log.contains(&key(0)), "{log}");

    // When the store has another, no restart is needed: at the latest when its word is asked again.
    stored.rotate("sk-another-key");
    let answered = crate::support::environment::wait_for(|| {
        let answer = keyward.call("chat", json!({ "prompt": "ping" }));
        (answer["result"]["structuredContent"]["answer"] == ANSWER).then_some(())
    });
    assert!(answered.is_some(), "{}", keyward.process.stderr());
}

#[test]
fn a_key_that_stays_refused_is_told_of_by_version_and_its_store_is_asked_once_in_a_while() {
    when_it_stays_refused(In::Vault, "", false);
    when_it_stays_refused(In::Vault, "ttl: 1h", true);
    when_it_stays_refused(In::Aws, "", false);
}

//! A store that goes away while calls run, and comes back: every call gets an answer, none gets a
//! key that was not just fetched unless the operator allowed it, and no restart is needed.
//!
//! Measured are answers, not times: a call that outlived its deadline would not be answered within
//! the tests' patience.

mod bad_answers;

use serde_json::json;

use super::stored::{in_vault, key, serve};
use crate::support::{
    crowd::{Crowd, Ended, assert_answered},
    environment::wait_for,
    keyward::{Keyward, Setup},
    openbao::{DevServer, TlsServer},
    pausing_proxy::PausingProxy,
    tls::Authority,
    upstream::{ANSWER, Dialect, Upstream},
};

const CALLS: usize = 200;

/// The words of a kept value's use beyond its time.
const STALE: &str = "as `stale_if_error` allows";

/// A Vault with a key, that may be sealed, stopped and started.
fn vault(authority: &Authority) -> TlsServer {
    let bao = TlsServer::start(authority);
    bao.mount_kv("secret", 2);
    put(&bao, 0);
    bao
}

fn put(bao: &TlsServer, number: usize) {
    bao.put_kv2("secret", "ai", &json!({ "api_key": key(number) }));
}

/// A server with the key in that Vault; `terms` are further settings of the name.
fn setup(bao: &TlsServer, upstream: &Upstream, terms: &str) -> Setup {
    let more = format!(
        "      ca_file: {:?}\n      timeout: 2s\n      retries: 1\n      \
         breaker: {{ failures: 3, open_for: 500ms }}\n",
        bao.ca_file()
    );
    let reference = "vault:secret/ai#api_key";
    in_vault(upstream, bao.address(), reference, terms, &more, bao)
}

fn chat(keyward: &mut Keyward) -> Ended {
    Ended(keyward.call("chat", json!({ "prompt": "ping" })))
}

#[track_caller]
fn wait_for_an_answer(keyward: &mut Keyward) {
    let answered = wait_for(|| chat(keyward).is_answered().then_some(()));
    assert!(answered.is_some(), "{}", keyward.process.stderr());
}

/// All have ended with an answer or with an honest failure; gives how many of each.
#[track_caller]
fn honest(ended: &[Ended]) -> (usize, usize) {
    for ended in ended.iter().filter(|ended| !ended.is_answered()) {
        let text = ended.failure().unwrap_or_default();
        assert!(
            text.contains("the secret `stand-in` is unavailable") && text.contains("request"),
            "{ended:?}"
        );
    }
    let answered = ended.iter().filter(|ended| ended.is_answered()).count();
    (answered, ended.len() - answered)
}

/// The calls that start now all fail, and none of them reaches the upstream.
#[track_caller]
fn assert_out(keyward: &mut Keyward, upstream: &Upstream) {
    let before = upstream.seen().len();
    let ended = Crowd::gather(keyward, CALLS).disperse();
    assert_eq!(honest(&ended), (0, CALLS));
    assert_eq!(upstream.seen().len(), before);
}

#[test]
fn a_vault_that_is_sealed_killed_and_started_while_calls_run_costs_honest_errors_and_no_restart() {
    let authority = Authority::new();
    let bao = vault(&authority);
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let mut keyward = serve(setup(&bao, &upstream, ""));
    let mut answered = 0;
    for turn in 0..2 {
        let mut crowd = Crowd::gather(&mut keyward, CALLS);
        crowd.turn_over(CALLS);
        assert_answered(&crowd.take_ended());
        answered += CALLS;
        // Once it is sealed in good order, and once it is killed.
        if turn == 0 {
            bao.seal()
        } else {
            bao.stop()
        }
        crowd.turn_over(CALLS);
        let (went_on, failed) = honest(&crowd.disperse());
        assert_eq!(went_on + failed, 2 * CALLS);
        assert!(failed > 0, "the outage was seen");
        answered += went_on;
        assert_out(&mut keyward, &upstream);
        bao.restart();
        assert_out(&mut keyward, &upstream);
        bao.unseal();
        // What was the key before the outage is none any more.
        put(&bao, turn + 1);
        upstream.take(&[&key(turn + 1)]);
        let before = upstream.seen().len();
        assert_eq!(before, answered, "a request for each answer and no more");
        wait_for_an_answer(&mut keyward);
        assert_answered(&Crowd::gather(&mut keyward, CALLS).disperse());
        let shown = upstream.keys().split_off(before);
        assert_eq!(shown, vec![Some(key(turn + 1)); CALLS + 1]);
        answered += CALLS + 1;
    }
    let log = keyward.process.stderr();
    for told in ["sealed", "cannot be reached", "left alone", "answers again"] {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert!(!log.contains(&key(0)), "{log}");
}

#[test]
fn where_a_kept_key_may_bridge_an_outage_no_call_is_lost() {
    let authority = Authority::new();
    let bao = vault(&authority);
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let mut keyward = serve(setup(&bao, &upstream, "ttl: 100ms, stale_if_error: 10m"));
    wait_for_an_answer(&mut keyward);
    for kills in [false, true] {
        let stale = keyward.process.stderr().matches(STALE).count();
        let mut crowd = Crowd::gather(&mut keyward, CALLS);
        crowd.turn_over(CALLS);
        if kills {
            bao.stop()
        } else {
            bao.seal()
        }
        let bridged = wait_for(|| {
            crowd.turn_over(CALLS / 4);
            (crowd.said().matches(STALE).count() > stale + CALLS).then_some(())
        });
        assert!(bridged.is_some(), "the kept key is used meanwhile");
        bao.restart();
        crowd.turn_over(CALLS);
        bao.unseal();
        crowd.turn_over(CALLS);
        assert_answered(&crowd.disperse());
        // It is asked again, and believed.
        put(&bao, 1);
        upstream.take(&[&key(0), &key(1)]);
        let renewed = wait_for(|| {
            chat(&mut keyward);
            (upstream.keys().pop().flatten() == Some(key(1))).then_some(())
        });
        assert!(renewed.is_some(), "{}", keyward.process.stderr());
        put(&bao, 0);
    }
}

#[test]
fn a_kept_key_bridges_an_outage_up_to_its_bound_and_not_beyond() {
    let authority = Authority::new();
    let bao = vault(&authority);
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let mut keyward = serve(setup(&bao, &upstream, "ttl: 100ms, stale_if_error: 3s"));
    wait_for_an_answer(&mut keyward);
    bao.stop();
    let bridged = wait_for(|| {
        assert_answered(&[chat(&mut keyward)]);
        keyward.process.stderr().contains(STALE).then_some(())
    });
    assert!(bridged.is_some(), "{}", keyward.process.stderr());
    let ended = wait_for(|| (!chat(&mut keyward).is_answered()).then_some(()));
    assert!(ended.is_some(), "the bound ends");
    assert_out(&mut keyward, &upstream);
    bao.restart();
    bao.unseal();
    wait_for_an_answer(&mut keyward);
    assert!(upstream.keys().iter().all(|shown| *shown == Some(key(0))));
}

#[test]
fn a_vault_that_hangs_while_calls_run_holds_none_of_them_beyond_its_deadline() {
    let bao = DevServer::shared();
    let path = crate::support::environment::unique("hung");
    bao.put_kv2("secret", &path, &json!({ "api_key": key(0) }));
    let proxy = PausingProxy::start(bao.address());
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let more = "      timeout: 500ms\n      breaker: { failures: 3, open_for: 500ms }\n";
    let reference = format!("vault:secret/{path}#api_key");
    let mut keyward = serve(in_vault(&upstream, &proxy.url(), &reference, "", more, bao));
    let mut crowd = Crowd::gather(&mut keyward, CALLS);
    crowd.turn_over(CALLS);
    assert_answered(&crowd.take_ended());
    proxy.hold("");
    crowd.turn_over(3 * CALLS);
    let (_, failed) = honest(&crowd.disperse());
    assert!(failed > 0, "the outage was seen");
    assert_out(&mut keyward, &upstream);
    proxy.release();
    wait_for_an_answer(&mut keyward);
    let answer = chat(&mut keyward).0;
    assert_eq!(answer["result"]["structuredContent"]["answer"], ANSWER);
}

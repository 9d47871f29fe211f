//! Many callers at once: each secret is fetched once for all who wait for it, whoever of them
//! leaves.
//!
//! Over stdio, which has no limit of its own: HTTP takes 512 connections, and 1,024 calls may run
//! in a process whichever way they came.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    arrangement::KEY,
    stored::{key, serve},
};
use crate::support::{
    crowd::{Crowd, Ended, assert_answered},
    environment::unique,
    keyward::{Keyward, Setup, write_private},
    openbao::DevServer,
    pausing_proxy::PausingProxy,
    upstream::{ANSWER, Dialect, MODEL, Upstream, completion, json_answer, refusal},
};

const CALLERS: usize = 1000;

/// `secrets` model providers `up-0`, `up-1` …, all at one upstream, each with a secret of its own
/// in a Vault that is asked through `proxy`; gives the path's common part.
fn many(upstream: &Upstream, proxy: &PausingProxy, secrets: usize) -> (Setup, String) {
    let bao = DevServer::shared();
    let folder = unique("burst");
    let (mut names, mut providers) = (String::new(), String::new());
    for number in 0..secrets {
        let path = format!("{folder}/{number}");
        bao.put_kv2("secret", &path, &json!({ "api_key": key(number) }));
        names += &format!("    key-{number}: {{ ref: \"vault:secret/{path}#api_key\" }}\n");
        providers += &format!(
            "    up-{number}: {{ protocol: openai, base_url: \"{}\", secret: key-{number}, models: \
             [{MODEL}] }}\n",
            upstream.base_url()
        );
    }
    let address = proxy.url();
    let settings = format!(
        "secrets:\n  providers:\n    vault:\n      address: \"{address}\"\n      kv: 2\n      \
         timeout: 60s\n      auth: {{ token_file: vault-token }}\n  names:\n{names}models:\n  \
         providers:\n{providers}"
    );
    // So that the log tells who waits.
    let setup = Setup::with_config(&settings).env("KEYWARD_LOG_LEVEL", "debug");
    write_private(&setup.folder().join("vault-token"), bao.token());
    (setup, format!("secret/data/{folder}/"))
}

/// Takes the key of any number, and says in its answer which it was.
fn tell_keys(upstream: &Upstream, secrets: usize) {
    upstream.script(move |seen| {
        let shown = (0..secrets).find(|number| seen.key() == Some(&key(*number)));
        Some(match shown {
            Some(number) => json_answer(StatusCode::OK, &completion(&format!("key {number}"))),
            None => refusal(StatusCode::UNAUTHORIZED, "invalid_api_key", "no such key"),
        })
    });
}

fn ask(keyward: &mut Keyward, provider: usize) -> u64 {
    let model = format!("up-{provider}/{MODEL}");
    let call = json!({ "name": "chat", "arguments": { "prompt": "ping", "model": model } });
    keyward.start_request("tools/call", call)
}

fn answer_of(answer: &Value) -> &Value {
    &answer["result"]["structuredContent"]["answer"]
}

#[test]
fn a_thousand_callers_of_one_secret_are_one_fetch() {
    let proxy = PausingProxy::start(DevServer::shared().address());
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let (setup, data) = many(&upstream, &proxy, 1);
    let mut keyward = serve(setup);
    proxy.hold(&data);
    let mut crowd = Crowd::gather(&mut keyward, CALLERS);
    proxy.wait_for_requests(1, &data);
    crowd.settle();
    crowd.wait_until_log_tells(CALLERS, "secret asked for");
    proxy.release();
    let ended: Vec<Ended> = crowd.disperse();
    assert_eq!(ended.len(), CALLERS);
    assert_answered(&ended);
    assert_eq!(proxy.count(&data), 1);
    assert_eq!(upstream.keys(), vec![Some(key(0)); CALLERS]);
    // The count can count: a caller that comes later fetches anew.
    let call = ask(&mut keyward, 0);
    assert_eq!(*answer_of(&keyward.answer_to(call)), ANSWER);
    assert_eq!(proxy.count(&data), 2);
}

#[test]
fn a_thousand_callers_of_fifty_secrets_are_fifty_fetches() {
    const SECRETS: usize = 50;
    let proxy = PausingProxy::start(DevServer::shared().address());
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    tell_keys(&upstream, SECRETS);
    let (setup, data) = many(&upstream, &proxy, SECRETS);
    let mut keyward = serve(setup);
    proxy.hold(&data);
    let calls: Vec<u64> = (0..CALLERS)
        .map(|caller| ask(&mut keyward, caller % SECRETS))
        .collect();
    proxy.wait_for_requests(SECRETS, &data);
    keyward.wait_until_log_tells(CALLERS, "secret asked for");
    proxy.release();
    for (caller, call) in calls.into_iter().enumerate() {
        let answer = keyward.answer_to(call);
        let expected = format!("key {}", caller % SECRETS);
        assert_eq!(*answer_of(&answer), expected, "{answer}");
    }
    assert_eq!(proxy.count(&data), SECRETS, "{:#?}", proxy.requests());
}

#[test]
fn a_leader_that_is_cancelled_leaves_its_fetch_to_the_one_who_follows() {
    let proxy = PausingProxy::start(DevServer::shared().address());
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let (setup, data) = many(&upstream, &proxy, 1);
    let mut keyward = serve(setup);
    proxy.hold(&data);
    let leader = ask(&mut keyward, 0);
    proxy.wait_for_requests(1, &data);
    let follower = ask(&mut keyward, 0);
    keyward.wait_until_log_tells(2, "secret asked for");
    keyward.notify("notifications/cancelled", json!({ "requestId": leader }));
    keyward.request("ping", json!({}));
    proxy.release();
    let answer = keyward.answer_to(follower);
    assert_eq!(*answer_of(&answer), ANSWER, "{answer}");
    assert_eq!(proxy.count(&data), 1, "{:#?}", proxy.requests());
    assert_eq!(upstream.keys(), [Some(key(0))], "one call was left");
}

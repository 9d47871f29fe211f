//! Keys in OpenBao: fetched once for all who wait, and a store that fails stops the call instead
//! of letting another provider answer for it.

use serde_json::{Value, json};

use super::{
    arrangement::{KEY, chat_settings},
    transports::assert_chatted,
};
use crate::support::{
    environment::unique,
    keyward::{Keyward, LEGACY, Setup, write_private},
    openbao::{DevServer, TlsServer},
    openbao_api::Bao,
    pausing_proxy::PausingProxy,
    python::{self, Mode},
    tls::Authority,
    upstream::{ANSWER, Dialect, Upstream},
};

/// A key that the upstream would refuse, and that no call may fall back to.
const FALLBACK: &str = "sk-fallback-0a1B2c3D4e5F6g7H8i9J";

/// The key's name is bound to a place in Vault and, behind it, to a variable that holds
/// [`FALLBACK`]. `vault` are further lines of the provider's settings.
fn setup(upstream: &Upstream, address: &str, place: &str, vault: &str) -> Setup {
    let settings = chat_settings(upstream, "env:X").replace(
        "stand-in: { ref: \"env:X\" }",
        &format!("stand-in: {{ refs: [\"vault:{place}\", \"env:FALLBACK\"] }}"),
    );
    let provider = format!(
        "secrets:\n  providers:\n    vault:\n      address: \"{address}\"\n      kv: auto\n      \
         auth: {{ token_file: token }}\n{vault}"
    );
    let setup = Setup::with_config(&settings.replace("secrets:\n", &provider));
    setup.env("FALLBACK", FALLBACK)
}

fn with_token(setup: Setup, token: &str) -> Setup {
    write_private(&setup.folder().join("token"), token);
    setup
}

fn serve(setup: Setup) -> Keyward {
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    keyward
}

fn chat(keyward: &mut Keyward) -> Value {
    keyward.call("chat", json!({ "prompt": "ping" }))["result"].clone()
}

/// A secret under a name no other test has.
fn store(bao: &Bao, mount: &str) -> String {
    let path = unique("ai");
    bao.put_kv2(mount, &path, &json!({ "api_key": KEY }));
    path
}

/// Calls once; the call must fail, name `word`, and ask neither the next provider nor the upstream.
/// With `on_error: next` the same call must ask the next provider, unless the key was deleted.
#[track_caller]
fn assert_stops(arrange: impl Fn(&Upstream, &str) -> Setup, word: &str) {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let mut keyward = serve(arrange(&upstream, ""));
    let result = chat(&mut keyward);
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    // Why is the operator's to know, by the request id.
    assert!(
        text.starts_with("the secret `stand-in` is unavailable (request id "),
        "{text:?}"
    );
    assert!(upstream.seen().is_empty(), "{:?}", upstream.keys());
    keyward.close();
    let log = keyward.process.stderr_to_end();
    assert!(log.contains(word), "{word:?} in\n{log}");

    let mut keyward = serve(arrange(&upstream, "      on_error: next\n"));
    chat(&mut keyward);
    match word {
        // Not even then: a deleted key is not replaced by one from elsewhere.
        "deleted" => assert!(upstream.seen().is_empty(), "{:?}", upstream.keys()),
        _ => assert_eq!(upstream.keys()[0].as_deref(), Some(FALLBACK)),
    }
}

#[test]
fn the_official_client_chats_with_a_key_behind_app_role_and_tls() {
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    let path = store(&bao, "secret");
    let rules = format!("path \"secret/data/{path}\" {{ capabilities = [\"read\"] }}");
    let role = bao.app_role(&rules, &json!({ "token_ttl": "5m" }));
    for (mode, protocol) in [(Mode::Legacy, "2025-11-25"), (Mode::Modern, "2026-07-28")] {
        let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
        let place = format!("secret/{path}#api_key");
        let vault = format!("      ca_file: {:?}\n", bao.ca_file());
        let setup = setup(&upstream, bao.address(), &place, &vault);
        let settings = std::fs::read_to_string(setup.config_file()).unwrap();
        let auth = format!(
            "approle: {{ role_id: \"{}\", secret_id_file: secret_id }}",
            role.role_id
        );
        write_private(
            setup.config_file(),
            &settings.replace("token_file: token", &auth),
        );
        role.write_secret_id(setup.folder());
        let call = ("chat", json!({ "prompt": "ping" }));
        assert_chatted(
            &python::over_stdio(&setup, mode, &[call]),
            protocol,
            &upstream,
        );
    }
    assert!(
        bao.tokens_of(&role).is_empty(),
        "each login is revoked at exit"
    );
}

#[test]
fn a_hundred_calls_that_wait_share_one_fetch_and_survive_those_that_leave() {
    let bao = DevServer::shared();
    let path = store(bao, "secret");
    let proxy = PausingProxy::start(bao.address());
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let place = format!("secret/{path}#api_key");
    let setup = setup(&upstream, &proxy.url(), &place, "");
    let mut keyward = serve(with_token(setup, bao.token()));
    let data = format!("secret/data/{path}");
    for leave in [0, 99] {
        let before = proxy.count(&data);
        proxy.hold(&data);
        let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
        let calls: Vec<u64> = (0..100)
            .map(|_| keyward.start_request("tools/call", params.clone()))
            .collect();
        proxy.wait_for_requests(before + 1, &data);
        // What was read before a ping has been started before its answer.
        for _ in 0..3 {
            keyward.request("ping", json!({}));
        }
        for call in &calls[..leave] {
            keyward.notify("notifications/cancelled", json!({ "requestId": call }));
        }
        keyward.request("ping", json!({}));
        proxy.release();
        for call in &calls[leave..] {
            let answer = keyward.answer_to(*call);
            assert_eq!(
                answer["result"]["structuredContent"]["answer"], ANSWER,
                "{answer}"
            );
        }
        assert_eq!(proxy.count(&data), before + 1, "{:#?}", proxy.requests());
    }
}

#[test]
fn only_a_secret_that_is_not_there_lets_the_next_provider_answer() {
    let bao = DevServer::shared();
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let place = format!("secret/{}#api_key", unique("nothing"));
    let setup = setup(&upstream, bao.address(), &place, "");
    chat(&mut serve(with_token(setup, bao.token())));
    assert_eq!(upstream.keys(), [Some(FALLBACK.to_owned())]);
}

#[test]
fn what_vault_also_calls_404_stops_the_call() {
    let bao = DevServer::shared();
    let (deleted, destroyed) = (store(bao, "secret"), store(bao, "secret"));
    bao.delete_versions("secret", &deleted, &[1]);
    bao.destroy_versions("secret", &destroyed, &[1]);
    let there = store(bao, "secret");
    let cases = [
        (format!("secret/{deleted}#api_key"), "", "deleted"),
        (format!("secret/{destroyed}#api_key"), "", "deleted"),
        (format!("secert/{there}#api_key"), "", "misconfigured"),
        (
            format!("secret/{there}?namespace=nowhere#api_key"),
            "",
            "misconfigured",
        ),
        (format!("secret/{there}#api_key"), "1", "misconfigured"),
        (format!("secret/{there}#key"), "", "field"),
    ];
    for (place, kv, word) in cases {
        let arrange = |upstream: &Upstream, vault: &str| {
            let made = setup(upstream, bao.address(), &place, vault);
            let settings = std::fs::read_to_string(made.config_file()).unwrap();
            if !kv.is_empty() {
                write_private(
                    made.config_file(),
                    &settings.replace("kv: auto", &format!("kv: {kv}")),
                );
            }
            with_token(made, bao.token())
        };
        assert_stops(arrange, word);
    }
}

#[test]
fn a_vault_that_forbids_stops_the_call() {
    let bao = DevServer::shared();
    let path = store(bao, "secret");
    let role = bao.app_role(
        "path \"secret/data/other\" { capabilities = [\"read\"] }",
        &json!({}),
    );
    let token = bao.log_in(&role);
    let place = format!("secret/{path}#api_key");
    let arrange = |upstream: &Upstream, vault: &str| {
        let vault = format!("      kv: 2\n{vault}");
        let made = setup(upstream, bao.address(), &place, &vault);
        let settings = std::fs::read_to_string(made.config_file()).unwrap();
        write_private(
            made.config_file(),
            &settings.replace("      kv: auto\n", ""),
        );
        with_token(made, &token)
    };
    assert_stops(arrange, "permission denied");
}

#[test]
fn a_vault_that_is_sealed_stopped_or_not_to_be_trusted_stops_the_call() {
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    let place = format!("secret/{}#api_key", store(&bao, "secret"));
    let arrange = |ca_file: &std::path::Path, upstream: &Upstream, vault: &str| {
        let vault = format!("      ca_file: {ca_file:?}\n{vault}");
        with_token(setup(upstream, bao.address(), &place, &vault), bao.token())
    };
    let stranger = Authority::new();
    assert_stops(
        |upstream, vault| arrange(&stranger.ca_file, upstream, vault),
        "TLS failed",
    );
    bao.seal();
    assert_stops(
        |upstream, vault| arrange(bao.ca_file(), upstream, vault),
        "sealed",
    );
    bao.stop();
    assert_stops(
        |upstream, vault| arrange(bao.ca_file(), upstream, vault),
        "reached",
    );
}

#[test]
fn a_vault_that_hangs_stops_the_call_at_its_deadline() {
    let bao = DevServer::shared();
    let place = format!("secret/{}#api_key", store(bao, "secret"));
    let proxy = PausingProxy::start(bao.address());
    proxy.hold("");
    let arrange = |upstream: &Upstream, vault: &str| {
        let vault = format!("      timeout: 500ms\n{vault}");
        with_token(setup(upstream, &proxy.url(), &place, &vault), bao.token())
    };
    assert_stops(arrange, "in time");
}

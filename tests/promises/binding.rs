//! Who may use a secret, where its value may be sent, and whose it is: what configuration forbids
//! is told at load where that is possible, and costs no question to a store where it is not.

use serde_json::{Value, json};

use super::{
    arrangement::TOKEN,
    stored::{In, Stored, key, serve},
};
use crate::support::{
    environment::{unique, wait_for},
    http::Request,
    keyward::{Ended, Keyward, Setup, write_private},
    openbao::DevServer,
    upstream::{ANSWER, Dialect, Upstream},
};

fn chat(keyward: &mut Keyward) -> Value {
    keyward.call("chat", json!({ "prompt": "ping" }))["result"].clone()
}

fn arranged(terms: &str) -> (Upstream, Stored, Setup) {
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let stored = Stored::put(In::Vault, &key(0));
    let setup = stored.setup(&upstream, terms);
    (upstream, stored, setup)
}

/// The same, with calls over stdio made for `principal`.
fn on_behalf_of(principal: &str, setup: Setup) -> Setup {
    let settings = std::fs::read_to_string(setup.config_file()).unwrap();
    let server = format!("server:\n  stdio: {{ principal: {{ id: {principal} }} }}\n");
    write_private(setup.config_file(), &format!("{server}{settings}"));
    setup
}

/// The number of the line that holds `text`.
fn line_of(setup: &Setup, text: &str) -> usize {
    let settings = std::fs::read_to_string(setup.config_file()).unwrap();
    let lines = settings.lines().position(|line| line.contains(text));
    lines.expect("the text is there") + 1
}

#[track_caller]
fn assert_refused_at_load(terms: &str, at: &str, words: &[&str]) {
    let (upstream, stored, setup) = arranged(terms);
    let place = format!("keyward.yaml:{}:", line_of(&setup, at));
    for command in [&["check"][..], &["serve"]] {
        let Ended { status, stderr, .. } = setup.run(command);
        assert_eq!(status.code(), Some(1), "{command:?}: {stderr}");
        for word in words.iter().chain([&place.as_str()]) {
            assert!(stderr.contains(word), "{command:?}: {word:?} in\n{stderr}");
        }
    }
    assert_eq!(stored.proxy.requests(), [""; 0], "{terms}");
    assert!(upstream.seen().is_empty());
}

#[test]
fn hosts_that_exclude_the_providers_address_are_refused_at_load() {
    for hosts in ["[api.openai.com]", "[\"*.localhost\"]", "[\"127.0.0.1:1\"]"] {
        let terms = format!("allowed_hosts: {hosts}");
        // What is refused is the use: that line is shown, with its key.
        assert_refused_at_load(&terms, "secret: stand-in", &["allowed_hosts", "secret:"]);
    }
    let wrong = "allowed_hosts: [\"127.0.0.1/v1\"]";
    assert_refused_at_load(wrong, wrong, &["this is not a host", "allowed_hosts"]);
    let (_upstream, stored, setup) = arranged("allowed_hosts: [127.0.0.1]");
    let result = chat(&mut serve(setup));
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    assert_eq!(stored.fetches(), 1);
}

#[test]
fn a_model_provider_that_may_not_use_a_secret_is_refused_at_load() {
    let (list, terms) = (
        "allowed_model_providers",
        "allowed_model_providers: [another]",
    );
    assert_refused_at_load(terms, "secret: stand-in", &[list, "secret:"]);
    let (_upstream, _stored, setup) = arranged("allowed_model_providers: [stand-in]");
    let result = chat(&mut serve(setup));
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
}

#[test]
fn a_tool_or_principal_that_may_not_use_a_secret_costs_its_store_no_question() {
    for (list, is_allowed) in [
        ("allowed_tools: [version]", false),
        ("allowed_tools: [version, chat]", true),
        ("allowed_principals: [bob]", false),
        ("allowed_principals: [bob, alice]", true),
    ] {
        let (upstream, stored, setup) = arranged(list);
        let mut keyward = serve(on_behalf_of("alice", setup));
        let result = chat(&mut keyward);
        assert_eq!(result["isError"], !is_allowed, "{list}: {result}");
        let times = usize::from(is_allowed);
        assert_eq!(stored.proxy.requests().len(), times, "{list}");
        assert_eq!(upstream.seen().len(), times, "{list}");
        if !is_allowed {
            let text = result["content"][0]["text"].as_str().unwrap();
            let told = "the secret `stand-in` may not be used for this call";
            assert!(text.contains(told), "{list}: {text}");
            // Who may is the operator's to know.
            assert!(!text.contains("bob") && !text.contains("version"), "{text}");
            keyward.close();
            let log = keyward.process.stderr_to_end();
            let setting = list.split(':').next().unwrap();
            assert!(log.contains(setting), "{setting} in {log}");
        }
    }
}

/// One call over HTTP in the era without a session.
fn chat_over_http(url: &str) -> String {
    let call = crate::support::keyward::modern(
        json!({ "name": "chat", "arguments": { "prompt": "ping" } }),
    );
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call });
    let answer = Request::new("POST", format!("{url}/mcp"))
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", crate::support::keyward::MODERN)
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", "chat")
        .header("Authorization", &format!("Bearer {TOKEN}"))
        .json(&body)
        .send()
        .unwrap();
    answer.text
}

#[test]
fn a_caller_reads_the_place_of_its_own_and_no_other() {
    let bao = DevServer::shared();
    let users = unique("users");
    bao.put_kv2(
        "secret",
        &format!("{users}/local/ai"),
        &json!({ "k": key(1) }),
    );
    bao.put_kv2(
        "secret",
        &format!("{users}/http/ai"),
        &json!({ "k": key(2) }),
    );
    let upstream = Upstream::start(Dialect::OpenAi, None);
    upstream.take(&[&key(1), &key(2)]);
    let reference = format!("vault:secret/{users}/{{principal.sub}}/ai#k");
    let proxy = crate::support::pausing_proxy::PausingProxy::start(bao.address());
    let arrange =
        || super::stored::in_vault(&upstream, &proxy.url(), &reference, "ttl: 1h", "", bao);
    let result = chat(&mut serve(on_behalf_of("local", arrange())));
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    assert_eq!(upstream.keys(), [Some(key(1))]);
    assert_eq!((proxy.count("local/ai"), proxy.count("http/ai")), (1, 0));

    let setup = arrange().env("HTTP_TOKEN", TOKEN);
    let settings = std::fs::read_to_string(setup.config_file()).unwrap();
    let http = "server:\n  http: { token_secret: http-token }\n";
    write_private(setup.config_file(), &format!("{http}{settings}"));
    let server = setup.serve_http();
    let said = chat_over_http(&server.url);
    assert!(said.contains(ANSWER), "{said}");
    assert_eq!(upstream.keys(), [Some(key(1)), Some(key(2))]);
    assert_eq!((proxy.count("local/ai"), proxy.count("http/ai")), (1, 1));
}

#[test]
fn a_caller_without_a_place_of_its_own_gets_nobody_elses_key() {
    let bao = DevServer::shared();
    let users = unique("users");
    bao.put_kv2(
        "secret",
        &format!("{users}/alice/ai"),
        &json!({ "k": key(1) }),
    );
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(1)));
    let reference = format!("vault:secret/{users}/{{principal.sub}}/ai#k");
    let setup = super::stored::in_vault(&upstream, bao.address(), &reference, "", "", bao);
    let result = chat(&mut serve(setup));
    assert_eq!(result["isError"], true, "{result}");
    assert!(upstream.seen().is_empty(), "{:?}", upstream.keys());
}

#[test]
fn a_secret_that_nobody_has_is_asked_for_once_within_negative_ttl() {
    let bao = DevServer::shared();
    let proxy = crate::support::pausing_proxy::PausingProxy::start(bao.address());
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let calls = 20;
    for (terms, asked) in [("", calls), ("negative_ttl: 1h", 1)] {
        let path = unique("missing");
        let reference = format!("vault:secret/{path}#api_key");
        let setup = super::stored::in_vault(&upstream, &proxy.url(), &reference, terms, "", bao);
        let mut keyward = serve(setup);
        for _ in 0..calls {
            let result = chat(&mut keyward);
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("it was not found"), "{text}");
        }
        assert_eq!(proxy.count(&path), asked, "{terms}");
    }
    // And it is not believed for longer.
    let path = unique("missing");
    let reference = format!("vault:secret/{path}#api_key");
    let terms = "negative_ttl: 500ms";
    let setup = super::stored::in_vault(&upstream, &proxy.url(), &reference, terms, "", bao);
    let mut keyward = serve(setup);
    assert_eq!(chat(&mut keyward)["isError"], true);
    bao.put_kv2("secret", &path, &json!({ "api_key": key(0) }));
    let found = wait_for(|| (chat(&mut keyward)["isError"] == false).then_some(()));
    assert!(found.is_some(), "{}", keyward.process.stderr());
    assert_eq!(upstream.seen().len(), 1);
}

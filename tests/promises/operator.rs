//! The operator's view: what is configured, how a secret is found, what was counted. Nowhere a
//! value.

use serde_json::{Value, json};

use super::{
    arrangement::{KEY, TOKEN, over_http},
    transports::assert_chatted,
};
use crate::support::{
    environment::unique,
    http::{Answer, Request},
    keyward::{MODERN, Setup, write_private},
    openbao::DevServer,
    python::{self, Mode},
    upstream::{Dialect, Upstream},
};

/// A name in Vault with a variable behind it, one of each principal's own, and one of the chain.
fn setup(vault: &str, path: &str) -> Setup {
    let yaml = format!(
        r#"
secrets:
  chain: [env, vault]
  providers:
    vault: {{ address: "{vault}", kv: 2, auth: {{ token_file: vault-token }}, on_error: next, retries: 0 }}
  names:
    team: {{ refs: ["vault:secret/{path}#api_key", "env:BACKUP"], ttl: 5m, stale_if_error: 1h, allowed_tools: [chat] }}
    mine: {{ ref: "vault:secret/{path}-{{principal.sub}}#api_key" }}
    openai: {{ allowed_hosts: [api.openai.com] }}
models: {{ providers: {{ openai: {{}} }} }}
"#
    );
    let setup = Setup::with_config(&yaml).env("BACKUP", KEY);
    write_private(
        &setup.folder().join("vault-token"),
        DevServer::shared().token(),
    );
    setup
}

fn json_of(setup: &Setup, arguments: &[&str], succeeds: bool) -> Value {
    let ended = setup.run(arguments);
    assert_eq!(ended.status.success(), succeeds, "{arguments:?}: {ended:?}");
    assert!(!format!("{ended:?}").contains(KEY), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn list_tells_places_terms_and_restrictions_and_contacts_nothing() {
    // Nothing listens there.
    let setup = setup("http://127.0.0.1:1", "ai");
    let listed = json_of(&setup, &["secrets", "list", "--json"], true);
    let secrets = listed["secrets"].as_array().unwrap();
    let names: Vec<&Value> = secrets.iter().map(|secret| &secret["name"]).collect();
    assert_eq!(names, ["mine", "openai", "team"]);
    let team = &secrets[2];
    assert_eq!(team["places"][0]["reference"], "vault:secret/ai#api_key");
    assert_eq!(team["places"][0]["on_error"], "next");
    assert_eq!(team["places"][1]["reference"], "env:BACKUP");
    assert_eq!(team["policy"]["ttl_seconds"], 300.0);
    assert_eq!(team["policy"]["stale_if_error_seconds"], 3600.0);
    assert_eq!(team["allowed"]["tools"], json!(["chat"]));
    assert_eq!(secrets[1]["bound"], false);
    assert_eq!(secrets[1]["allowed"]["hosts"], json!(["api.openai.com"]));
    let text = setup.run(&["secrets", "list"]);
    assert!(
        text.stdout
            .contains("up to 1h longer while its store fails")
    );
}

#[test]
fn explain_tells_what_each_place_answers_and_why_the_next_is_asked() {
    let bao = DevServer::shared();
    let path = unique("explained");
    let explained = |vault: &str, name: &[&str], succeeds: bool| {
        let arguments = [&["secrets", "explain", "--json"], name].concat();
        json_of(&setup(vault, &path), &arguments, succeeds)
    };
    let told = explained(bao.address(), &["team"], true);
    assert_eq!(told["answers"][0]["answer"], "not_found");
    assert_eq!(told["answers"][1]["answer"], "found");

    bao.put_kv2("secret", &path, &json!({ "api_key": KEY }));
    let told = explained(bao.address(), &["team"], true);
    assert_eq!(told["answers"][0]["answer"], "found");
    assert_eq!(told["answers"][0]["version"], "1");
    assert_eq!(told["answers"].as_array().unwrap().len(), 1, "{told}");

    bao.delete_versions("secret", &path, &[1]);
    let told = explained(bao.address(), &["team"], false);
    assert_eq!(told["answers"][0]["answer"], "failed");
    assert_eq!(
        told["answers"][0]["goes_on"], false,
        "deleted is never passed"
    );
    assert!(told["error"].as_str().unwrap().contains("was deleted"));

    let told = explained("http://127.0.0.1:1", &["team"], true);
    assert_eq!(told["answers"][0]["goes_on"], true);
    assert_eq!(told["answers"][1]["answer"], "found");
}

#[test]
fn explain_and_check_put_the_principal_in_its_place_and_refuse_one_that_walks() {
    let bao = DevServer::shared();
    let path = unique("mine");
    bao.put_kv2(
        "secret",
        &format!("{path}-alice"),
        &json!({ "api_key": KEY }),
    );
    let setup = setup(bao.address(), &path);
    for command in ["explain", "check"] {
        let arguments = ["secrets", command, "mine", "--json", "--principal"];
        let told = json_of(&setup, &[&arguments[..], &["alice"]].concat(), true);
        assert!(told.to_string().contains("\"found\":true"), "{told}");
        for wrong in ["bob", "../alice", "x/../alice"] {
            let told = json_of(&setup, &[&arguments[..], &[wrong]].concat(), false);
            assert!(told.to_string().contains("\"found\":false"), "{told}");
        }
    }
}

fn metrics(url: &str, token: Option<&str>) -> Answer {
    let request = Request::new("GET", format!("{url}/metrics"));
    let request = match token {
        Some(token) => request.header("authorization", &format!("Bearer {token}")),
        None => request,
    };
    request.send().unwrap()
}

#[test]
fn metrics_count_what_secrets_were_asked_for_and_are_shown_with_the_token_alone() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let server = over_http(&upstream).serve_http();
    let url = server.url.clone();
    for wrong in [None, Some("wrong")] {
        assert_eq!(metrics(&url, wrong).status, 401);
    }
    let token_file = server.setup.folder().join("token");
    let call = ("chat", json!({ "prompt": "ping" }));
    let report = python::over_http(&format!("{url}/mcp"), &token_file, Mode::Modern, &[call]);
    assert_chatted(&report, MODERN, &upstream);
    let told = metrics(&url, Some(TOKEN));
    assert_eq!(told.status, 200);
    let counted = "keyward_secret_requests_total{secret=\"stand-in\",provider=\"env\",\
                   outcome=\"fetched\"} 1";
    assert!(
        told.text.lines().any(|line| line == counted),
        "{}",
        told.text
    );
    assert!(!told.text.contains(KEY) && !told.text.contains(TOKEN));
}

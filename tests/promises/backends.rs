//! The ground the other promises stand on: the servers start, hold, refuse and end as support says.

use std::{io::Write, net::TcpStream, path::Path, process::Command};

use axum::{Router, http::Version, routing::get};
use serde_json::json;

use crate::support::{
    environment::{python, unique},
    http::Request,
    moto::Moto,
    openbao::{DevServer, TlsServer},
    pausing_proxy::PausingProxy,
    process::Process,
    runtime,
    tls::{Authority, HttpsServer, Protocol},
    upstream::{ANSWER, Dialect, MODEL, Upstream},
};

#[test]
fn openbao_keeps_both_versions_of_kv() {
    let bao = DevServer::shared();
    let path = unique("ai");
    assert_eq!(
        bao.put_kv2("secret", &path, &json!({ "api_key": "one" })),
        1
    );
    assert_eq!(
        bao.put_kv2("secret", &path, &json!({ "api_key": "two" })),
        2
    );
    bao.delete_versions("secret", &path, &[2]);
    let deleted = bao
        .ask("GET", &format!("secret/data/{path}"), None)
        .unwrap();
    assert_eq!(deleted.status, 404);
    assert!(
        deleted.body["data"]["metadata"]["deletion_time"].is_string(),
        "{}",
        deleted.text
    );
    let first = bao.get(&format!("secret/data/{path}?version=1"));
    assert_eq!(first["data"]["data"]["api_key"], "one");
    bao.destroy_versions("secret", &path, &[1]);
    let destroyed = bao
        .ask("GET", &format!("secret/data/{path}?version=1"), None)
        .unwrap();
    assert_eq!(destroyed.body["data"]["metadata"]["destroyed"], true);

    let mount = bao.fresh_kv(1);
    bao.put_kv1(&mount, "ai", &json!({ "api_key": "old" }));
    assert_eq!(bao.get(&format!("{mount}/ai"))["data"]["api_key"], "old");
}

#[test]
fn openbao_lets_a_role_in_and_only_where_its_policy_says() {
    let bao = DevServer::shared();
    let path = unique("ai");
    bao.put_kv2("secret", &path, &json!({ "api_key": "x" }));
    let rules = format!("path \"secret/data/{path}\" {{ capabilities = [\"read\"] }}");
    let role = bao.app_role(&rules, &json!({ "token_ttl": "5m" }));
    let reader = bao.as_token(&bao.log_in(&role));
    assert_eq!(
        reader.get(&format!("secret/data/{path}"))["data"]["data"]["api_key"],
        "x"
    );
    assert_eq!(
        reader.ask("GET", "secret/data/other", None).unwrap().status,
        403
    );
    assert!(!bao.leases("auth/approle/login").is_empty());
    let tokens = bao.tokens_of(&role);
    assert_eq!(tokens.len(), 1);
    bao.revoke_accessor(&tokens[0]);
    assert_eq!(
        reader
            .ask("GET", &format!("secret/data/{path}"), None)
            .unwrap()
            .status,
        403
    );
}

#[test]
fn openbao_keeps_namespaces_apart() {
    let bao = DevServer::shared();
    let name = unique("team");
    bao.create_namespace(&name);
    let team = bao.in_namespace(&name);
    let mount = team.fresh_kv(2);
    team.put_kv2(&mount, "ai", &json!({ "api_key": "theirs" }));
    let path = format!("{mount}/data/ai");
    assert_eq!(team.get(&path)["data"]["data"]["api_key"], "theirs");
    assert_eq!(bao.ask("GET", &path, None).unwrap().status, 404);
}

#[test]
fn openbao_over_tls_seals_stops_and_comes_back_with_what_it_held() {
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    bao.put_kv2("secret", "ai", &json!({ "api_key": "kept" }));

    bao.seal();
    assert!(bao.is_sealed());
    assert_eq!(bao.ask("GET", "secret/data/ai", None).unwrap().status, 503);
    bao.unseal();

    bao.stop();
    assert_eq!(bao.health(), None);
    bao.restart();
    assert!(bao.is_sealed());
    bao.unseal();
    assert_eq!(bao.get("secret/data/ai")["data"]["data"]["api_key"], "kept");

    let health = format!("{}/v1/sys/health", bao.address());
    let stranger = Authority::new();
    assert!(
        Request::new("GET", health)
            .trusting(Some(&stranger.pem))
            .send()
            .is_err()
    );
}

#[test]
fn moto_stores_returns_and_marks_for_deletion() {
    let moto = Moto::shared();
    let name = moto.fresh(r#"{"api_key":"one"}"#);
    moto.put(&name, r#"{"api_key":"two"}"#);
    let read = |stage: &str| {
        moto.ask(
            "GetSecretValue",
            &json!({ "SecretId": name, "VersionStage": stage }),
        )
    };
    assert_eq!(
        read("AWSCURRENT").body["SecretString"],
        r#"{"api_key":"two"}"#
    );
    assert_eq!(
        read("AWSPREVIOUS").body["SecretString"],
        r#"{"api_key":"one"}"#
    );
    let elsewhere = moto.ask_in("us-east-1", "GetSecretValue", &json!({ "SecretId": name }));
    assert!(
        elsewhere.text.contains("ResourceNotFoundException"),
        "{}",
        elsewhere.text
    );
    moto.mark_for_deletion(&name);
    let marked = read("AWSCURRENT");
    assert!(
        marked.text.contains("InvalidRequestException"),
        "{}",
        marked.text
    );
    let gone = moto.fresh("x");
    moto.delete(&gone);
    let absent = moto.ask("GetSecretValue", &json!({ "SecretId": gone }));
    assert!(
        absent.text.contains("ResourceNotFoundException"),
        "{}",
        absent.text
    );
}

#[test]
fn the_official_client_can_be_imported() {
    let mut command = Command::new(python());
    command.args([
        "-c",
        "import mcp, importlib.metadata as m; print(m.version('mcp'))",
    ]);
    let mut client = Process::start("python", command);
    let version = client
        .stdout()
        .recv()
        .unwrap_or_else(|_| panic!("{}", client.stderr()));
    assert!(client.wait().success());
    assert!(version.starts_with("2.3."), "{version}");
}

#[test]
fn the_proxy_counts_requests_and_holds_answers_until_released() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let ask = |path: &str| Request::new("GET", format!("{}{path}", proxy.url()));
    proxy.hold("sys/health");
    let (health, seal) = (ask("/v1/sys/health"), ask("/v1/sys/seal-status"));
    let held = std::thread::spawn(move || health.send());
    proxy.wait_for_requests(1, "sys/health");
    // What is not held passes meanwhile.
    assert_eq!(seal.send().unwrap().status, 200);
    assert!(!held.is_finished());
    proxy.release();
    assert_eq!(held.join().unwrap().unwrap().status, 200);
    assert_eq!(
        proxy.requests(),
        ["GET /v1/sys/health", "GET /v1/sys/seal-status"]
    );
}

#[test]
fn the_tls_server_speaks_the_protocol_that_was_asked_for() {
    let authority = Authority::new();
    for (protocol, version) in [
        (Protocol::Http1, Version::HTTP_11),
        (Protocol::Http2, Version::HTTP_2),
    ] {
        let router = Router::new().route("/", get(async || "hello"));
        let server = HttpsServer::start(&authority, protocol, router);
        let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
        let url = server.url();
        let seen = runtime::run(async move {
            let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
            client
                .build()
                .unwrap()
                .get(url)
                .send()
                .await
                .unwrap()
                .version()
        });
        assert_eq!(seen, version);
    }
}

#[test]
fn a_child_outlives_the_thread_that_wanted_it_and_ends_with_its_owner() {
    let start = || {
        let mut command = Command::new("sleep");
        command.arg("600");
        Process::start("sleep", command)
    };
    let mut child = std::thread::spawn(start).join().unwrap();
    assert!(child.ended().is_none());
    let id = child.id();
    let folder = format!("/proc/{id}");
    assert!(Path::new(&folder).exists());
    drop(child);
    assert!(!Path::new(&folder).exists());
}

fn ask(upstream: &Upstream, key: Option<&str>, body: serde_json::Value) -> Request {
    let request = Request::new("POST", format!("{}/chat/completions", upstream.base_url()));
    let request = match key {
        Some(key) => request.header("Authorization", &format!("Bearer {key}")),
        None => request,
    };
    request.json(&body)
}

#[test]
fn each_upstream_refuses_the_dialect_of_the_other() {
    let openai = Upstream::start(Dialect::OpenAi, Some("the-key"));
    let ollama = Upstream::start(Dialect::Ollama, None);
    let messages = json!([{ "role": "user", "content": "ping" }]);
    let modern = json!({ "model": MODEL, "messages": messages, "max_completion_tokens": 9 });
    let classic = json!({ "model": MODEL, "messages": messages, "max_tokens": 9 });
    let status = |upstream: &Upstream, key: Option<&str>, body: &serde_json::Value| {
        ask(upstream, key, body.clone()).send().unwrap().status
    };
    assert_eq!(status(&openai, Some("the-key"), &modern), 200);
    assert_eq!(status(&openai, Some("the-key"), &classic), 400);
    assert_eq!(status(&openai, Some("another"), &modern), 401);
    assert_eq!(status(&openai, None, &modern), 401);
    assert_eq!(status(&ollama, None, &classic), 200);
    assert_eq!(status(&ollama, None, &modern), 400);
    assert_eq!(openai.keys()[2].as_deref(), Some("another"));

    let mut streamed = modern;
    streamed["stream"] = json!(true);
    let events = ask(&openai, Some("the-key"), streamed).send().unwrap().text;
    let words: String = events
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .filter_map(|event: serde_json::Value| {
            Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned())
        })
        .collect();
    assert_eq!(words, ANSWER);
}

#[test]
fn the_upstream_notices_that_a_held_answer_was_left() {
    let upstream = Upstream::start(Dialect::Ollama, None);
    upstream.hold();
    let call = ask(&upstream, None, json!({ "model": MODEL, "messages": [] }));
    let mut leaver = TcpStream::connect(upstream.address()).unwrap();
    let stays = std::thread::spawn(move || call.send());
    let request = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    leaver.write_all(request.as_bytes()).unwrap();
    upstream.wait_for_requests(2);
    drop(leaver);
    upstream.wait_for_abandoned(1);
    upstream.release();
    assert_eq!(stays.join().unwrap().unwrap().status, 200);
}

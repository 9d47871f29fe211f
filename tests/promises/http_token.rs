//! The door of HTTP: wrong tokens do not drive the secret store, and no address that others reach
//! is served unless the configuration says what stands before it.

use std::{net::UdpSocket, time::Duration};

use reqwest::Client;
use serde_json::json;

use super::{
    arrangement::{self, KEY, TOKEN, chat_settings},
    transports::assert_chatted,
};
use crate::support::{
    environment::{free_port, unique, wait_for},
    http::Request,
    keyward::{HttpKeyward, Setup, write_private},
    openbao::DevServer,
    pausing_proxy::PausingProxy,
    process::Process,
    python::{self, Mode},
    runtime,
    upstream::{Dialect, Upstream},
};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// A server on HTTP whose token is in OpenBao, behind a proxy that counts.
fn with_token_in_vault(upstream: &Upstream) -> (HttpKeyward, PausingProxy, String) {
    let bao = DevServer::shared();
    let path = unique("token");
    bao.put_kv2("secret", &path, &json!({ "token": TOKEN }));
    let proxy = PausingProxy::start(bao.address());
    let vault = format!(
        "  providers:\n    vault:\n      address: \"{}\"\n      kv: 2\n      auth: \
         {{ token_file: vault-token }}\n",
        proxy.url()
    );
    let settings = chat_settings(upstream, "env:STAND_IN_KEY")
        .replace("secrets:\n", &format!("secrets:\n{vault}"))
        .replace("env:HTTP_TOKEN", &format!("vault:secret/{path}#token"));
    let server = "server:\n  http: { token_secret: http-token }\n";
    let setup = Setup::with_config(&format!("{server}{settings}")).env("STAND_IN_KEY", KEY);
    write_private(&setup.folder().join("vault-token"), bao.token());
    write_private(&setup.folder().join("token"), TOKEN);
    let server = setup.serve_http();
    (server, proxy, format!("secret/data/{path}"))
}

/// Pings with each of these `Authorization` headers over one connection; gives the statuses.
async fn ask_all(url: String, headers: Vec<Option<String>>) -> Vec<u16> {
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let mut statuses = Vec::new();
    for header in headers {
        let mut request = client
            .post(&url)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(PING);
        if let Some(header) = header {
            request = request.header("Authorization", header);
        }
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    statuses
}

/// The same over several connections at once.
fn ask_in_parallel(url: &str, connections: Vec<Vec<Option<String>>>) -> Vec<u16> {
    let url = url.to_owned();
    runtime::run(async move {
        let asked = connections
            .into_iter()
            .map(|headers| tokio::spawn(ask_all(url.clone(), headers)));
        let mut statuses = Vec::new();
        for asked in asked.collect::<Vec<_>>() {
            statuses.extend(asked.await.unwrap());
        }
        statuses
    })
}

#[test]
fn a_thousand_wrong_tokens_cause_at_most_two_fetches_and_none_causes_none() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let (server, proxy, data) = with_token_in_vault(&upstream);
    let url = format!("{}/mcp", server.url);

    // Nothing that could be a token: none at all, another scheme, white space, two words.
    let without = [
        None,
        Some("Basic eA==".to_owned()),
        Some("Bearer".to_owned()),
        Some("Bearer a b".to_owned()),
    ];
    let statuses = ask_in_parallel(&url, vec![without.to_vec(); 4]);
    assert_eq!(statuses, [401; 16]);
    assert_eq!(proxy.requests(), [""; 0], "starting fetches nothing either");

    let wrong = |connection: usize, number: usize| {
        let token = format!("{connection:04}{number:04}{}", &TOKEN[8..]);
        Some(format!("Bearer {token}"))
    };
    let connections = (0..8).map(|c| (0..125).map(|n| wrong(c, n)).collect());
    let statuses = ask_in_parallel(&url, connections.collect());
    assert_eq!(statuses, [401; 1000]);
    let fetches = proxy.count(&data);
    assert!(
        (1..=2).contains(&fetches),
        "{fetches}: {:#?}",
        proxy.requests()
    );

    // Who has the token is served meanwhile, without a fetch of their own.
    let token_file = server.setup.folder().join("token");
    let call = ("chat", json!({ "prompt": "ping" }));
    let report = python::over_http(&url, &token_file, Mode::Modern, &[call]);
    assert_chatted(&report, "2026-07-28", &upstream);
    assert!(proxy.count(&data) <= 2, "{:#?}", proxy.requests());
}

#[test]
fn while_the_token_cannot_be_had_everyone_is_told_to_come_back() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let (server, proxy, data) = with_token_in_vault(&upstream);
    write_private(&server.setup.folder().join("vault-token"), "s.nobody");
    let right = Some(format!("Bearer {TOKEN}"));
    let statuses = ask_in_parallel(&format!("{}/mcp", server.url), vec![vec![right; 10]; 4]);
    assert_eq!(statuses, [503; 40]);
    let fetches = proxy.count(&data);
    assert!(
        fetches <= 2,
        "an outage is not hammered: {:#?}",
        proxy.requests()
    );
}

/// The settings of a server that listens on all addresses, with these further lines.
fn on_all_addresses(upstream: &Upstream, port: u16, further: &str) -> Setup {
    let http = format!(
        "server:\n  http:\n    listen: \"0.0.0.0:{port}\"\n    token_secret: \
         http-token\n{further}"
    );
    let settings = chat_settings(upstream, "env:STAND_IN_KEY");
    let setup = Setup::with_config(&format!("{http}{settings}"))
        .env("STAND_IN_KEY", KEY)
        .env("HTTP_TOKEN", TOKEN);
    write_private(&setup.folder().join("token"), TOKEN);
    setup
}

#[test]
fn an_address_that_others_reach_is_refused_until_its_boundary_and_hosts_are_named() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    for (further, word) in [
        ("", "behind: container"),
        ("    allowed_hosts: [keyward]\n", "behind: container"),
        ("    behind: container\n", "allowed_hosts"),
    ] {
        for command in ["check", "serve"] {
            let ended = on_all_addresses(&upstream, 0, further).run(&[command]);
            assert_eq!(ended.status.code(), Some(1), "{command}: {}", ended.stderr);
            assert!(ended.stderr.contains(word), "{command}: {}", ended.stderr);
        }
    }
    // Nor does the flag open what the file may not.
    let loopback = arrangement::over_http(&upstream);
    let ended = loopback.run(&["serve", "--http", "0.0.0.0:0"]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("behind: container"),
        "{}",
        ended.stderr
    );
}

/// This machine's address on the way out; loopback where it has no other. No packet is sent.
fn own_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    match socket.connect("192.0.2.1:9") {
        Ok(()) => socket.local_addr().unwrap().ip().to_string(),
        Err(_) => "127.0.0.1".to_owned(),
    }
}

#[test]
fn behind_a_container_it_serves_the_hosts_that_are_named_and_warns() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let (address, port) = (own_address(), free_port());
    let further = format!("    behind: container\n    allowed_hosts: [\"{address}\"]\n");
    let setup = on_all_addresses(&upstream, port, &further);
    let mut process = Process::start("keyward", setup.command(&["serve"]));
    let url = format!("http://{address}:{port}");
    let healthy = wait_for(|| match process.ended() {
        Some(_) => Some(false),
        None => Request::new("GET", format!("{url}/healthz"))
            .send()
            .is_ok_and(|answer| answer.status == 200)
            .then_some(true),
    });
    assert_eq!(healthy, Some(true), "{}", process.stderr());
    let log = process.stderr();
    assert!(
        log.contains("WARN") && log.contains("beyond loopback"),
        "{log}"
    );

    let call = ("chat", json!({ "prompt": "ping" }));
    let token_file = setup.folder().join("token");
    let url = format!("{url}/mcp");
    let report = python::over_http(&url, &token_file, Mode::Legacy, &[call]);
    assert_chatted(&report, "2025-11-25", &upstream);

    let stranger = Request::new("POST", url)
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("Authorization", &format!("Bearer {TOKEN}"))
        .header("Host", "keyward.example")
        .body(PING);
    assert_eq!(stranger.send().unwrap().status, 403);
}

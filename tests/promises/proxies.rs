//! `HTTPS_PROXY` is honoured for encrypted traffic to other hosts: the proxy carries it and cannot
//! read it.

use std::{
    io::{BufRead as _, BufReader, Write as _, copy},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use keyward::cli::demo::upstream::{
    Dialect, KeyDigest, KeySeen, StandIn, StandInModel, StandInSettings,
};
use serde_json::json;

use super::arrangement::KEY;
use crate::support::{
    keyward::{LEGACY, Setup},
    tls::{Authority, HttpsServer, Protocol},
};

const HOST: &str = "upstream.example";

/// A proxy that leads every CONNECT to one server, and remembers what was asked of it.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                thread::spawn(move || lead(client, server, &seen));
            }
        });
        Self { address, asked }
    }
}

/// Reads the head of one request, then carries bytes both ways until either side ends.
fn lead(mut client: TcpStream, server: SocketAddr, seen: &Mutex<Vec<String>>) {
    let mut head = BufReader::new(client.try_clone().unwrap());
    loop {
        let mut line = String::new();
        if head.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        seen.lock().unwrap().push(line.trim().to_owned());
    }
    let mut upstream = TcpStream::connect(server).unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (mut back, mut forth) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
    // What ends the one direction ends the connection; nobody waits for the other.
    thread::spawn(move || drop(copy(&mut upstream, &mut back)));
    drop(copy(&mut head, &mut forth));
}

#[test]
fn a_key_for_another_host_goes_through_the_proxy_unread() {
    let stand_in = StandIn::new(StandInSettings {
        dialect: Dialect::OpenAi,
        key: Some(KeyDigest::of(KEY.as_bytes())),
        models: vec![StandInModel::named("stand-in")],
        reply: "Through the proxy.".to_owned(),
    });
    let authority = Authority::new();
    let server = HttpsServer::start_as(&authority, &[HOST], Protocol::Http2, stand_in.router());
    let proxy = Proxy::before(server.address());
    let named = format!("http://{}", proxy.address);
    // By the variable for all, and by the provider's own setting.
    for (variable, setting) in [
        (Some(&named), String::new()),
        (None, format!("      proxy: {named}\n")),
    ] {
        let before = proxy.asked.lock().unwrap().len();
        let config = format!(
            "models:\n  providers:\n    stand-in:\n      base_url: https://{HOST}/v1\n      \
             secret: openai\n      ca_file: {:?}\n      \
             max_tokens_field: max_completion_tokens\n      models: [stand-in]\n{setting}",
            authority.ca_file
        );
        let mut setup = Setup::with_config(&config).env("OPENAI_API_KEY", KEY);
        if let Some(named) = variable {
            setup = setup.env("HTTPS_PROXY", named);
        }
        let mut keyward = setup.serve();
        keyward.initialize(LEGACY);
        let answer = keyward.call("chat", json!({ "prompt": "ping" }));
        assert_eq!(
            answer["result"]["structuredContent"]["answer"], "Through the proxy.",
            "{answer}"
        );
        assert!(
            stand_in
                .seen()
                .iter()
                .all(|seen| seen.key == KeySeen::Right)
        );
        let asked = proxy.asked.lock().unwrap();
        assert_eq!(asked[before], format!("CONNECT {HOST}:443 HTTP/1.1"));
        assert!(!asked.iter().any(|line| line.contains(KEY)), "{asked:?}");
    }
}

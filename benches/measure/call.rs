//! What a call through Keyward takes beyond the same call made directly, in turns in one run.

use std::{os::unix::fs::OpenOptionsExt, path::Path, time::Instant};

use reqwest::{Certificate, Client};
use tokio::runtime::{Builder, Runtime};

use crate::{
    connection::Fresh,
    figures::{Samples, row},
    server::Server,
    upstream::{ANSWER, KEY, Upstream, Wire},
};

const CALLS: usize = 2000;
const WARM_UP: usize = 200;

/// What Keyward sends, sent directly.
const BODY: &str = r#"{"model":"instant","messages":[{"role":"user","content":"ping"}],"stream":true,"stream_options":{"include_usage":true}}"#;

/// Prints the rows of calls.
pub fn measure(binary: &Path) {
    for (wire, name) in [
        (Wire::Plain, "plain HTTP"),
        (Wire::Tls1, "TLS 1.3, HTTP/1.1"),
        (Wire::Tls2, "TLS 1.3, HTTP/2"),
    ] {
        let upstream = Upstream::start(wire);
        for pooled in [true, false] {
            compare(binary, &upstream, name, wire, pooled);
        }
    }
}

fn compare(binary: &Path, upstream: &Upstream, name: &str, wire: Wire, pooled: bool) {
    let home = tempfile::tempdir().unwrap();
    let mut server = serve(binary, home.path(), upstream, pooled);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    // The direct client always keeps its connection: `strict` is what it costs beside that.
    let client = client(upstream);
    let fresh = (wire != Wire::Plain).then(|| Fresh::new(upstream));

    let (mut through, mut direct, mut connections) = Default::default();
    for number in 0..WARM_UP + CALLS {
        let timed = [
            time(|| call_through(&mut server, number)),
            time(|| call_directly(&runtime, &client, upstream)),
            time(|| {
                if let (Some(fresh), false) = (&fresh, pooled) {
                    runtime.block_on(fresh.connect(upstream));
                }
            }),
        ];
        if number >= WARM_UP {
            Samples::push(&mut through, timed[0]);
            Samples::push(&mut direct, timed[1]);
            Samples::push(&mut connections, timed[2]);
        }
    }
    let mode = if pooled { "pooled" } else { "strict" };
    row(
        &format!("`chat`, {name}, {mode}: through"),
        through.pair(),
        (None, None),
    );
    row("… the same directly, pooled", direct.pair(), (None, None));
    let added = (
        through.percentile(50) - direct.percentile(50),
        through.percentile(99) - direct.percentile(99),
    );
    let targets = match (pooled, wire) {
        (true, _) => (Some(0.5), Some(2.0)),
        (false, Wire::Plain) => (None, None),
        (false, _) => {
            row(
                "… one fresh TLS 1.3 connection",
                connections.pair(),
                (None, None),
            );
            (Some(connections.percentile(50) + 0.5), None)
        }
    };
    row("… **added**", added, targets);
    println!(
        "| … resident after {} calls | {:.1} MB | | | |",
        WARM_UP + CALLS,
        server.memory("VmRSS:")
    );
}

fn time(run: impl FnOnce()) -> std::time::Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

fn serve(binary: &Path, home: &Path, upstream: &Upstream, pooled: bool) -> Server {
    let base_url = upstream.base_url();
    let connections = if pooled { "pooled" } else { "strict" };
    std::fs::write(home.join("ca.pem"), &upstream.authority).unwrap();
    let config = home.join("keyward.yaml");
    let settings = format!(
        "secrets:\n  names: {{ instant: {{ ref: \"env:INSTANT_KEY\" }} }}\n\
         models:\n  providers:\n    instant:\n      base_url: \"{base_url}\"\n      \
         secret: instant\n      connections: {connections}\n      ca_file: ca.pem\n      \
         models: [instant]\n"
    );
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&config);
    std::io::Write::write_all(&mut file.unwrap(), settings.as_bytes()).unwrap();
    let variables = [
        ("KEYWARD_CONFIG", config.to_str().unwrap()),
        ("INSTANT_KEY", KEY),
    ];
    let mut server = Server::start(binary, home, &variables);
    server.list_tools();
    server
}

fn client(upstream: &Upstream) -> Client {
    let authority = Certificate::from_pem(upstream.authority.as_bytes()).unwrap();
    Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .tls_certs_only([authority])
        .build()
        .unwrap()
}

fn call_through(server: &mut Server, number: usize) {
    let id = number + 10;
    server.send(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"chat","arguments":{{"prompt":"ping"}}}}}}"#
    ));
    let answer = server.read();
    assert!(answer.contains(ANSWER), "{answer}");
}

fn call_directly(runtime: &Runtime, client: &Client, upstream: &Upstream) {
    let answer = runtime.block_on(async {
        let request = client
            .post(format!("{}/chat/completions", upstream.base_url()))
            .bearer_auth(KEY)
            .header("Content-Type", "application/json")
            .body(BODY);
        request.send().await.unwrap().text().await.unwrap()
    });
    assert!(answer.contains(ANSWER), "{answer}");
}

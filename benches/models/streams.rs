//! What the server holds for each of 500 answers that have begun and do not end.

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::{
    house::{KEY, dialects},
    support::{
        environment::wait_for,
        keyward::{LEGACY, Setup},
        upstream::{Dialect, MODEL, Seen, Upstream},
    },
};

const STREAMS: usize = 500;

pub fn measure() {
    println!(
        "\n| protocol | resident before | with 500 streams | each | target |\n|---|---|---|---|---|"
    );
    for (name, dialect) in dialects() {
        let upstream = Upstream::start(dialect, Some(KEY));
        let (protocol, own) = match dialect {
            Dialect::Of(vendor) => (vendor.protocol(), vendor.settings()),
            _ => ("openai", "max_tokens_field: max_completion_tokens"),
        };
        let config = format!(
            "secrets:\n  names:\n    up: {{ ref: \"env:UP_KEY\" }}\nmodels:\n  providers:\n    up:\n      \
             protocol: {protocol}\n      base_url: \"{}\"\n      secret: up\n      {own}\n      \
             limits: {{ concurrent: 500 }}\n      models: [{MODEL}]\n",
            upstream.base_url()
        );
        let setup = Setup::with_config(&config).env("UP_KEY", KEY);
        let mut keyward = setup.serve();
        keyward.initialize(LEGACY);
        // Its head is there, and nothing more comes.
        let media_type = match name {
            "bedrock" => "application/vnd.amazon.eventstream",
            _ => "text/event-stream",
        };
        upstream.script(move |_: &Seen| {
            let begun = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from_static(b""))]);
            let body = Body::from_stream(begun.chain(stream::pending()));
            let response = axum::http::Response::builder().header("content-type", media_type);
            Some(response.body(body).unwrap())
        });
        let before = resident(keyward.process.id());
        for _ in 0..STREAMS {
            keyward.start_request(
                "tools/call",
                json!({ "name": "chat", "arguments": { "prompt": "ping" } }),
            );
        }
        upstream.wait_for_requests(STREAMS);
        // Whatever is still on its way has come when the figure stands still.
        let mut last = 0;
        let settled = wait_for(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            let now = resident(keyward.process.id());
            let is_still = now.abs_diff(last) < 64;
            last = now;
            is_still.then_some(now)
        });
        let with = settled.unwrap();
        let each = with.saturating_sub(before) as f64 / STREAMS as f64;
        let verdict = crate::figures::verdict(each <= 100.0);
        println!(
            "| {name} | {:.1} MB | {:.1} MB | {each:.0} KB | 100 KB, {verdict} |",
            before as f64 / 1024.0,
            with as f64 / 1024.0
        );
    }
}

/// `VmRSS` in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

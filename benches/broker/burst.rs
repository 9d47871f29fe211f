//! How often a store is asked when many calls want a key at once, counted before the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use crate::{
    desk::{Desk, runtime},
    figures::{show, verdict},
    stored::key,
    support::{environment::unique, openbao::DevServer, pausing_proxy::PausingProxy},
};

const CALLERS: usize = 1_000;

/// Prints the table of bursts.
pub fn measure() {
    println!("| burst | fetches | until all had their key | target | |\n|---|---|---|---|---|");
    for secrets in [1, 50] {
        for waits in [true, false] {
            one(secrets, waits);
        }
    }
}

/// `waits`: the store answers when all callers have asked. Else it answers as fast as it can, and
/// who comes after an answer fetches anew.
fn one(secrets: usize, waits: bool) {
    let (bao, prefix) = (DevServer::shared(), unique("burst"));
    let proxy = Arc::new(PausingProxy::start(bao.address()));
    let mut names = Map::new();
    for number in 0..secrets {
        let path = format!("{prefix}-{number}");
        bao.put_kv2("secret", &path, &json!({ "api_key": key(number) }));
        let reference = format!("vault:secret/{path}#api_key");
        names.insert(format!("k{number}"), json!({ "ref": reference }));
    }
    let settings = json!({
        "chain": [],
        "providers": { "vault": { "address": proxy.url(), "kv": 2 } },
        "names": Value::Object(names),
    });
    let desk = Arc::new(Desk::new(settings, &[("VAULT_TOKEN", Some(bao.token()))]));
    if waits {
        proxy.hold(&prefix);
    }
    let runtime = runtime();
    let took = runtime.block_on(async {
        let began = Instant::now();
        let asked = Arc::new(AtomicUsize::new(0));
        let callers = (0..CALLERS).map(|caller| {
            let (desk, asked) = (Arc::clone(&desk), Arc::clone(&asked));
            tokio::spawn(async move {
                let binding = desk.bind(&format!("k{}", caller % secrets));
                asked.fetch_add(1, Ordering::SeqCst);
                drop(desk.lend(&binding).await);
            })
        });
        let callers: Vec<_> = callers.collect();
        if waits {
            // A caller counts itself and asks without a wait in between.
            while asked.load(Ordering::SeqCst) < CALLERS {
                tokio::task::yield_now().await;
            }
            let (proxy, prefix) = (Arc::clone(&proxy), prefix.clone());
            let all_there = move || proxy.wait_for_requests(secrets, &prefix);
            tokio::task::spawn_blocking(all_there).await.unwrap();
        }
        proxy.release();
        for caller in join_all(callers).await {
            caller.unwrap();
        }
        began.elapsed()
    });
    let fetches = proxy.count(&prefix);
    let what = if waits {
        "the store answers when all have asked"
    } else {
        "the store answers at once"
    };
    let (target, verdict) = if waits {
        (secrets.to_string(), verdict(fetches == secrets))
    } else {
        (String::new(), "")
    };
    let took = show(took);
    println!(
        "| {CALLERS} callers, secrets: {secrets}; {what} | {fetches} | {took} | {target} | {verdict} |"
    );
}

//! Calls that a store's outage costs: OpenBao is sealed, or stopped and started again, while calls
//! come at an even pace.

use std::{
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    figures::{Samples, show, verdict},
    load::{Ended, Load},
    stored::{in_vault, key, serve},
    support::{
        environment::PATIENCE,
        openbao::TlsServer,
        tls::Authority,
        upstream::{Dialect, Upstream},
    },
};

/// A call each so often, answered or not.
const PACE: Duration = Duration::from_millis(5);
const BEFORE: Duration = Duration::from_secs(2);
const OUTAGE: Duration = Duration::from_secs(3);
/// A circuit breaker's interval and some: by then calls must be answered again.
const AFTER: Duration = Duration::from_secs(12);

/// Prints the table of outages.
pub fn measure() {
    println!(
        "| outage of {} s, a call each {} ms for {} s | calls lost | … that started after its end \
         | first answer after its end | calls with a kept key beyond its `ttl` | a call during it, \
         p50 | longest | target | |\n|---|---|---|---|---|---|---|---|---|",
        OUTAGE.as_secs(),
        PACE.as_millis(),
        (BEFORE + OUTAGE + AFTER).as_secs(),
    );
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    bao.put_kv2("secret", "ai", &json!({ "api_key": key(0) }));
    for what in ["sealed", "stopped"] {
        for terms in ["", "ttl: 1s, stale_if_error: 1m"] {
            one(&bao, what, terms);
        }
    }
}

fn one(bao: &TlsServer, what: &str, terms: &str) {
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let more = format!("      ca_file: {:?}\n", bao.ca_file());
    let reference = "vault:secret/ai#api_key";
    let setup = in_vault(&upstream, bao.address(), reference, terms, &more, bao);
    let mut keyward = serve(setup);
    let began = Instant::now();
    let (ended, outage) = scope(|scope| {
        let outage = scope.spawn(|| {
            sleep(BEFORE);
            let from = Instant::now();
            if what == "stopped" {
                bao.stop();
                sleep(OUTAGE);
                bao.restart();
            } else {
                bao.seal();
                sleep(OUTAGE);
            }
            bao.unseal();
            from..Instant::now()
        });
        let ended = run(&mut keyward, began + BEFORE + OUTAGE + AFTER);
        (ended, outage.join().unwrap())
    });
    let log = keyward.process.stderr();
    let stale = log.matches("a kept value is used beyond its `ttl`").count();
    let told = "`stand-in` is unavailable";
    for failure in ended.iter().filter_map(|ended| ended.answer.as_ref().err()) {
        assert!(
            failure.contains(told) && !failure.contains("sk-"),
            "{failure}"
        );
    }
    let lost = |ended: &&Ended| ended.answer.is_err();
    let after = |ended: &&Ended| ended.started >= outage.end;
    let mut meanwhile = Samples::default();
    for ended in ended.iter().filter(|ended| outage.contains(&ended.started)) {
        meanwhile.push(ended.took());
    }
    let answered = ended
        .iter()
        .filter(|ended| !lost(ended) && ended.ended >= outage.end);
    let first = answered.map(|ended| ended.ended - outage.end).min();
    let (lost_in_all, lost_after) = (
        ended.iter().filter(lost).count(),
        ended.iter().filter(lost).filter(after).count(),
    );
    let (target, verdict, shown) = match terms {
        "" => ("said so", "reached", "nothing kept"),
        terms => ("0", verdict(lost_in_all == 0), terms),
    };
    println!(
        "| {what}; {shown} | {lost_in_all} of {} | {lost_after} | {} | {stale} | {} | {} | {target} \
         | {verdict} |",
        ended.len(),
        first.map_or("never".to_owned(), show),
        show(meanwhile.percentile(50)),
        show(meanwhile.percentile(100)),
    );
}

/// Calls at an even pace until `end`, and the ends of all.
fn run(keyward: &mut crate::support::keyward::Keyward, end: Instant) -> Vec<Ended> {
    let mut load = Load::new(keyward);
    let mut ended = Vec::new();
    let mut next = Instant::now();
    while next < end {
        load.start(1);
        next += PACE;
        ended.extend(std::iter::from_fn(|| load.next(next)));
    }
    while load.running() > 0 {
        ended.push(load.next(Instant::now() + PATIENCE).unwrap());
    }
    ended
}

//! How long a replaced key goes on to be refused: from the moment at which the upstream refuses the
//! old one to the first call that is answered with the new one, while 200 calls run.
//!
//! The key is kept (`ttl: 1h`), which is the hard case: without a `ttl` every call that starts
//! after the replacement has the new key anyway. As vendors do it, the new key is in the store
//! before the old one is refused. The next replacement waits for every call that saw the last one:
//! a call tries one newer key, not two, and here a call may take a second, when so many connect at
//! once that the stand-in's queue is full and the kernel sends the first packet again.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use crate::{
    figures::{Samples, show, verdict},
    load::Load,
    stored::{In, Stored, key},
    support::{
        environment::PATIENCE,
        upstream::{Dialect, Upstream, event_stream, events},
    },
};

const CALLS: usize = 200;
const ROTATIONS: usize = 20;

/// Prints the table of rotations.
pub fn measure() {
    println!(
        "| rotation under {CALLS} calls | p50 | longest of {ROTATIONS} | a call under this load, p50 \
         | fetches a rotation | calls lost | |\n|---|---|---|---|---|---|---|"
    );
    one("Vault (OpenBao)", In::Vault);
    one("Secrets Manager (moto)", In::Aws);
}

fn one(name: &str, place: In) {
    let upstream = Upstream::start(Dialect::OpenAi, Some(&key(0)));
    let newest = Arc::new(Mutex::new((0, key(0))));
    let shown = Arc::clone(&newest);
    upstream.script(move |seen| {
        let (turn, newest) = &*shown.lock().unwrap();
        let usage = seen.body["stream_options"]["include_usage"] == true;
        let with_newest = seen.key() == Some(newest);
        with_newest.then(|| event_stream(&events(&turn.to_string(), usage)))
    });
    let stored = Stored::put(place, &key(0));
    let mut keyward = stored.serve(&upstream, "ttl: 1h");
    let mut load = Load::new(&mut keyward);
    load.start(CALLS);
    let (mut lost, mut total) = (0, 0);
    let (mut recoveries, mut calls) = (Samples::default(), Samples::default());
    for turn in 1..=ROTATIONS {
        for _ in 0..2 * CALLS {
            let ended = next(&mut load);
            calls.push(ended.took());
            total += 1;
            lost += usize::from(ended.answer.is_err());
        }
        stored.rotate(&key(turn));
        *newest.lock().unwrap() = (turn, key(turn));
        let refused = Instant::now();
        upstream.take(&[&key(turn)]);
        loop {
            let ended = next(&mut load);
            total += 1;
            lost += usize::from(ended.answer.is_err());
            if ended.answer.is_ok_and(|answer| answer == turn.to_string()) {
                recoveries.push(ended.ended - refused);
                break;
            }
        }
        let recovered = Instant::now();
        while load.has_one_from_before(recovered) {
            let ended = next(&mut load);
            total += 1;
            lost += usize::from(ended.answer.is_err());
        }
    }
    while load.running() > 0 {
        let ended = load.next(Instant::now() + PATIENCE).unwrap();
        total += 1;
        lost += usize::from(ended.answer.is_err());
    }
    if lost > 0 {
        // What the server says of it.
        let log = std::env::temp_dir().join(format!("keyward-rotation-{place:?}.log"));
        std::fs::write(&log, keyward.process.stderr()).unwrap();
        eprintln!("the server's log is in {}", log.display());
    }
    // The first fetch filled the cache.
    let fetches = stored.fetches() - 1;
    println!(
        "| {name} | {} | {} | {} | {fetches} for {ROTATIONS} | {lost} of {total} | {} |",
        show(recoveries.percentile(50)),
        show(recoveries.percentile(100)),
        show(calls.percentile(50)),
        verdict(lost == 0 && fetches <= ROTATIONS),
    );
}

/// Waits for one call to end and starts another.
fn next(load: &mut Load<'_>) -> crate::load::Ended {
    let ended = load.next(Instant::now() + PATIENCE).unwrap();
    if let Err(said) = &ended.answer {
        eprintln!("lost after {}: {said}", show(ended.took()));
    }
    load.start(1);
    ended
}

//! What a kept value costs a call: from the question to the value in hand, and back.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    desk::{Desk, runtime},
    figures::{Samples, verdict},
    stored::key,
};

/// Hits in one sample: a clock cannot tell a single one.
const BATCH: u32 = 1_000;
const SAMPLES: usize = 1_000;
const MOST: Duration = Duration::from_micros(1);

/// Prints the table of hits.
pub fn measure() {
    println!("| a kept value | p50 | p99 | target | |\n|---|---|---|---|---|");
    let desk = || {
        let kept = json!({ "ref": "env:STAND_IN_KEY", "ttl": "1h" });
        let settings = json!({ "names": { "team/openai": kept } });
        let value = key(0);
        Desk::new(settings, &[("STAND_IN_KEY", Some(&value))])
    };
    row("one caller", &[hits(Box::new(desk()))]);
    let shared = std::sync::Arc::new(desk());
    let callers = [shared.clone(), shared].map(|desk| std::thread::spawn(move || hits(desk)));
    row(
        "two callers of one secret, on two threads",
        &callers.map(|caller| caller.join().unwrap()),
    );
}

fn hits(desk: impl std::ops::Deref<Target = Desk> + Send) -> Samples {
    let runtime = runtime();
    runtime.block_on(async {
        let binding = desk.bind("team/openai");
        let mut samples = Samples::default();
        for number in 0..SAMPLES + SAMPLES / 10 {
            let began = Instant::now();
            for _ in 0..BATCH {
                std::hint::black_box(desk.lend(&binding).await);
            }
            if number >= SAMPLES / 10 {
                samples.push(began.elapsed() / BATCH);
            }
        }
        samples
    })
}

fn row(figure: &str, callers: &[Samples]) {
    let slowest = callers.iter().max_by_key(|samples| samples.percentile(50));
    let slowest = slowest.unwrap();
    let verdict = verdict(slowest.percentile(50) <= MOST);
    println!("| {figure} | {} | ≤ 1 µs | {verdict} |", slowest.cells());
}

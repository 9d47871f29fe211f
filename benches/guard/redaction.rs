//! How fast text is looked through in which there is nothing to find.

use std::time::Instant;

use keyward::guard::redaction::{Direction, Redactor};

use crate::{
    figures::{Samples, verdict},
    house,
    texts::{code, english, papers},
};

const BYTES: usize = 1_000_000;
const TIMES: usize = 60;
/// Megabytes (of a million bytes) a second.
const LEAST: f64 = 500.0;

/// Prints the table of redaction.
pub fn measure() {
    println!(
        "| 1 MB of | looked through for | keys that are out | found | MB/s, p50 | the fastest | target, p50 | |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let redactors = [0, 100].map(|keys| (keys, house::redactor(keys)));
    let (_, any) = &redactors[0];
    for (name, text) in [
        ("English words", english(BYTES)),
        ("this repository's papers", papers(BYTES, any)),
        ("this repository's code", code(BYTES, any)),
    ] {
        for (what, direction) in [
            ("secrets (to a model)", Direction::ToModel),
            ("secrets and personal data (audit)", Direction::Audit),
        ] {
            for (keys, redactor) in &redactors {
                let (found, p50, fastest) = speed(redactor, direction, &text);
                println!(
                    "| {name} | {what} | {keys} | {found} | {p50:.0} | {fastest:.0} | ≥ 500 | {} |",
                    verdict(p50 >= LEAST)
                );
            }
        }
    }
}

/// What was found, and megabytes a second: p50 and the most.
fn speed(redactor: &Redactor, direction: Direction, text: &str) -> (usize, f64, f64) {
    let (mut samples, mut found) = (Samples::default(), 0);
    for _ in 0..TIMES {
        let began = Instant::now();
        found = redactor.text(direction, text).report.findings.len();
        samples.push(began.elapsed());
    }
    let megabytes = f64::from(u32::try_from(text.len()).unwrap()) / 1e6;
    let rate = |percent| megabytes / samples.percentile(percent).as_secs_f64();
    (found, rate(50), rate(0))
}

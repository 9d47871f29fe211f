//! The figures of `docs/guard-benchmarks.md`: `scripts/measure-guard` runs this.
//!
//! It is apart from the tests because nothing here passes or fails: it prints tables with the
//! targets beside the figures. The guard is built in this process of the parts that the server
//! builds it of, with the server's allocator; only the model is a stand-in, which answers at once.
//! Nothing leaves the process but lines of audit files.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on says where and stops; its result is what it prints"
)]

mod audit;
mod corridor;
#[path = "../broker/figures.rs"]
mod figures;
mod house;
mod log;
mod redaction;
mod rule;
mod steps;
mod texts;

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// The allocator of `src/main.rs`.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// `rule` is the first because it looks at the memory of the process, `log` the last because the
/// log stays on.
const PARTS: [(&str, fn()); 6] = [
    ("rule", rule::measure),
    ("corridor", corridor::measure),
    ("steps", steps::measure),
    ("redaction", redaction::measure),
    ("audit", audit::measure),
    ("log", log::measure),
];

/// Runs the parts that are named, or all. Cargo's own `--bench` is let pass.
fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    for (name, measure) in PARTS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            eprintln!("measuring: {name}");
            measure();
            println!();
        }
    }
}

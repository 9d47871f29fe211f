//! The figures of `docs/models-benchmarks.md`: `scripts/measure-models` runs this.
//!
//! It is apart from the tests because nothing here passes or fails: it prints tables with the targets
//! beside the figures. Providers are those that the server builds, with its allocator, before the
//! tests' strict stand-ins, which answer at once; what is compared is taken in turns in one run. The
//! memory is that of the server itself, as a child. Nothing leaves loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on says where and stops; its result is what it prints"
)]

mod call;
#[path = "../broker/figures.rs"]
mod figures;
mod house;
mod streams;
#[expect(
    dead_code,
    reason = "support is complete by server, not by what a bench uses"
)]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// The allocator of `src/main.rs`.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

const PARTS: [(&str, fn()); 4] = [
    ("added", call::added),
    ("cpu", call::cpu),
    ("first", call::first_text),
    ("streams", streams::measure),
];

/// Runs the parts that are named, or all. Cargo's own `--bench` is let pass.
fn main() {
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    for (name, measure) in PARTS {
        if named.is_empty() || named.iter().any(|other| other == name) {
            measure();
        }
    }
}

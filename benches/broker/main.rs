//! The figures of `docs/broker-benchmarks.md`: `scripts/measure-broker` runs this.
//!
//! It is apart from the tests because nothing here passes or fails: it prints a table with the
//! targets beside the figures. What is compared is taken in turns in one run, so that both sides
//! see the same machine. The stores are the tests' own, real OpenBao and moto; fetches and hits are
//! measured in this process, on the broker as the server builds it and with the server's allocator;
//! rotations and outages on the server itself, as a child. Nothing leaves loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on says where and stops; its result is what it prints"
)]

mod allocator;
#[expect(dead_code, reason = "the measurements need little of it")]
#[path = "../../tests/promises/arrangement.rs"]
mod arrangement;
mod bare;
mod burst;
mod desk;
mod fetch;
mod figures;
mod hit;
mod load;
mod memory;
mod outage;
mod pages;
mod rotation;
#[path = "../../tests/promises/stored.rs"]
mod stored;
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

const PARTS: [(&str, fn()); 8] = [
    ("fetch", fetch::measure),
    ("hit", hit::measure),
    ("burst", burst::measure),
    ("rotation", rotation::measure),
    ("outage", outage::measure),
    ("memory", memory::measure),
    ("pages", pages::measure),
    ("allocator", allocator::measure),
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

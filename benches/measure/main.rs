//! The figures of `docs/measurements.md`, measured on a given binary: `scripts/measure` runs this.
//!
//! It is apart from the tests because nothing here passes or fails: it prints a table with the
//! targets beside the figures. What is compared is taken in turns in one run, so that both sides
//! see the same machine. Nothing leaves loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on says where and stops; its result is what it prints"
)]

mod call;
mod connection;
mod figures;
mod server;
mod start;
mod upstream;

use std::path::PathBuf;

fn main() {
    // The binary is given, not taken from cargo: what cargo builds beside a bench is compiled with
    // the features of the tests' dependencies too.
    let Some(binary) = std::env::var_os("KEYWARD_BINARY").map(PathBuf::from) else {
        eprintln!("set KEYWARD_BINARY to the binary to measure; scripts/measure does");
        std::process::exit(2);
    };
    println!("| figure | p50 | p99 | target | |\n|---|---|---|---|---|");
    start::measure(&binary);
    call::measure(&binary);
}

//! What overwriting freed memory costs: the programs of `benches/allocator`, run in turns.

use std::process::Command;

use crate::figures::verdict;

/// Many short runs: how the heap of one comes to lie makes more difference than its rounds do.
const RUNS: usize = 25;
const MOST_PERCENT: f64 = 5.0;
/// What each number in a program's line is of.
const CASES: [&str; 6] = [
    "1 KB",
    "8 KB",
    "64 KB",
    "1 KB, into a buffer that need not grow",
    "8 KB, into a buffer that need not grow",
    "64 KB, into a buffer that need not grow",
];

/// Prints the table of the allocator. The two programs are named by the environment.
pub fn measure() {
    let named = ["KEYWARD_ALLOCATOR_ZEROING", "KEYWARD_ALLOCATOR_SYSTEM"];
    let [Some(zeroing), Some(system)] = named.map(std::env::var_os) else {
        eprintln!("set {named:?} to the programs to measure; scripts/measure-broker does");
        std::process::exit(2);
    };
    let mut runs = [Vec::new(), Vec::new()];
    for number in 0..RUNS {
        // Each comes first every other time.
        for turn in 0..2 {
            let which = (number + turn) % 2;
            runs[which].push(run([&zeroing, &system][which]));
        }
    }
    println!("| a JSON round trip | zero on free | system | added | target | |");
    println!("|---|---|---|---|---|---|");
    for (index, case) in CASES.iter().enumerate() {
        let [zeroing, system] = [0, 1].map(|which| median(&runs[which], index));
        let percent = (zeroing / system - 1.0) * 100.0;
        let verdict = verdict(percent < MOST_PERCENT);
        println!(
            "| {case} | {:.2} µs | {:.2} µs | {percent:+.1} % | < 5 % | {verdict} |",
            zeroing / 1e3,
            system / 1e3
        );
    }
}

fn run(program: &std::ffi::OsStr) -> Vec<f64> {
    let ran = Command::new(program).output().unwrap();
    assert!(ran.status.success(), "{program:?}");
    let text = String::from_utf8(ran.stdout).unwrap();
    text.split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect()
}

fn median(runs: &[Vec<f64>], index: usize) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(|run| run[index]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

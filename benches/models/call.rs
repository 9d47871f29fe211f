//! What a provider adds to a request: time, processor, and time to the first text.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use nix::sys::resource::{UsageWho, getrusage};
use tokio::runtime::{Builder, Runtime};

use crate::{
    figures::{Samples, show, verdict},
    house::{House, context, dialects, request},
};

const CALLS: usize = 1500;

/// The runtime of `src/cli`.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn prompt(bytes: usize) -> String {
    "Keys are fetched just in time. "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

/// Added time for each protocol, alone and with 32 calls at once.
pub fn added() {
    println!(
        "\n| protocol | at once | through, p50 | p99 | directly, p50 | p99 | added, p50 | p99 | target 0.5 / 2 ms |\n|---|---|---|---|---|---|---|---|---|"
    );
    for (name, dialect) in dialects() {
        for at_once in [1, 32] {
            let runtime = runtime();
            let mut house = House::new(dialect, "pooled");
            let prompt = prompt(1000);
            runtime.block_on(house.learn(&prompt));
            let house = Arc::new(house);
            let (mut through, mut direct) = (Samples::default(), Samples::default());
            for round in 0..(CALLS / at_once).max(40) {
                let (one, other) = runtime.block_on(async {
                    let one = join_all((0..at_once).map(|_| async {
                        let began = Instant::now();
                        house.through(&prompt, "a").await;
                        began.elapsed()
                    }));
                    let one = one.await;
                    let other = join_all((0..at_once).map(|_| async {
                        let began = Instant::now();
                        house.directly().await;
                        began.elapsed()
                    }));
                    (one, other.await)
                });
                if round >= 10 {
                    one.into_iter().for_each(|took| through.push(took));
                    other.into_iter().for_each(|took| direct.push(took));
                }
            }
            let added = [50, 99].map(|percent| {
                through
                    .percentile(percent)
                    .saturating_sub(direct.percentile(percent))
            });
            let is_reached =
                added[0] <= Duration::from_micros(500) && added[1] <= Duration::from_millis(2);
            println!(
                "| {name} | {at_once} | {} | {} | {} | {} | {} |",
                through.cells(),
                direct.cells(),
                show(added[0]),
                show(added[1]),
                verdict(is_reached)
            );
        }
    }
}

/// Processor time of this process, the stand-in's threads among it.
fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(u64::try_from(time.tv_sec()).unwrap())
            + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap())
    };
    of(usage.user_time()) + of(usage.system_time())
}

/// Processor time that a call takes beyond the same request made directly.
pub fn cpu() {
    println!("\n| protocol | prompt | added processor time | target |\n|---|---|---|---|");
    for (name, dialect) in dialects() {
        for (bytes, calls) in [(1000, 1000), (100_000, 200), (1_000_000, 40)] {
            let runtime = runtime();
            let mut house = House::new(dialect, "pooled");
            let prompt = prompt(bytes);
            runtime.block_on(house.learn(&prompt));
            let (mut through, mut direct) = (Duration::ZERO, Duration::ZERO);
            for number in 0..calls {
                let began = cpu_time();
                runtime.block_on(house.through(&prompt, "a"));
                let between = cpu_time();
                runtime.block_on(house.directly());
                if number >= calls / 10 {
                    through += between - began;
                    direct += cpu_time() - between;
                }
            }
            let counted = u32::try_from(calls - calls / 10).unwrap();
            let added = through.saturating_sub(direct) / counted;
            let target = if bytes == 1000 {
                format!("150 µs, {}", verdict(added <= Duration::from_micros(150)))
            } else {
                String::new()
            };
            println!(
                "| {name} | {} KB | {} | {target} |",
                bytes / 1000,
                show(added)
            );
        }
    }
}

/// Added time to the first text.
pub fn first_text() {
    println!(
        "\n| protocol | first text through, p50 | p99 | first byte directly, p50 | p99 | added, p50 | target 1 ms |\n|---|---|---|---|---|---|---|"
    );
    for (name, dialect) in dialects() {
        let runtime = runtime();
        let mut house = House::new(dialect, "pooled");
        let prompt = prompt(1000);
        runtime.block_on(house.learn(&prompt));
        let (mut through, mut direct) = (Samples::default(), Samples::default());
        for round in 0..CALLS {
            let (one, other) = runtime.block_on(async {
                let (request, cx) = (request(&prompt), context("a"));
                let mut progress = cx.progress.subscribe();
                let began = Instant::now();
                let call = house.selected.provider.complete(&request, &cx);
                let first = async {
                    let told = progress.wait_for(|progress| progress.characters > 0);
                    told.await.unwrap();
                    began.elapsed()
                };
                let (answer, first) = tokio::join!(call, first);
                answer.unwrap();
                (first, house.directly().await)
            });
            if round >= 100 {
                through.push(one);
                direct.push(other);
            }
        }
        let added = through.percentile(50).saturating_sub(direct.percentile(50));
        println!(
            "| {name} | {} | {} | {} | {} |",
            through.cells(),
            direct.cells(),
            show(added),
            verdict(added <= Duration::from_millis(1))
        );
    }
}

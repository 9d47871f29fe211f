//! What policy rules cost: one of them a call, and ten thousand of them at start and in memory.

use std::{
    fs,
    time::{Duration, Instant},
};

use keyward::guard::{
    policy::{Decision, Facts, Policy, ToolShape, Usage, Verdict},
    shapes,
};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use crate::{
    figures::{Samples, show, verdict},
    house::{self, runtime},
    texts::english,
};

/// How many rules stand beside one, so that a clock can tell.
const MORE: usize = 100;
const TIMES: usize = 2_000;
const MOST: Duration = Duration::from_micros(5);
const LOADED: usize = 10_000;
const MOST_TO_LOAD: Duration = Duration::from_secs(1);

/// A condition, told apart by a number.
type Condition = fn(usize) -> String;

/// The simple one has the target; the others show what else a rule may cost.
const CONDITIONS: [(&str, Condition, bool); 5] = [
    (
        "`args.prompt.contains('launch codes')`",
        house::simple,
        true,
    ),
    (
        "`principal.id == 'mallory'`",
        |n| format!("principal.id == 'mallory-{n}'"),
        false,
    ),
    (
        "`!(model in ['gpt-5', 'gpt-5-mini'])`",
        |n| format!("!(model in ['gpt-5', 'gpt-{n}'])"),
        false,
    ),
    (
        "`args.prompt.matches('(?i)launch codes')`",
        |n| format!("args.prompt.matches('(?i)launch codes {n}')"),
        false,
    ),
    (
        "`'dba' in principal.groups && usage.calls > 1000 && !args.prompt.startsWith('EXPLAIN')`",
        |n| {
            format!(
                "'dba-{n}' in principal.groups && usage.calls > 1000 && !args.prompt.startsWith('EXPLAIN')"
            )
        },
        false,
    ),
];

/// Prints the tables of rules.
pub fn measure() {
    let tools = shapes(&house::registry(""));
    // First: it looks at the memory of a process in which nothing else was.
    load(&tools);
    println!();
    let arguments = house::arguments(&english(1_000));
    println!("| one rule, on 1 KB of arguments | p50 | target | |\n|---|---|---|---|");
    for (name, condition, has_target) in CONDITIONS {
        let one = house::policy((0..1).map(condition), &tools);
        let more = house::policy((0..=MORE).map(condition), &tools);
        let [alone, all] = compare([&one, &more], &tools[0], &arguments);
        let each = all.saturating_sub(alone) / u32::try_from(MORE).unwrap();
        let (target, reached) = if has_target {
            (format!("≤ {}", show(MOST)), verdict(each <= MOST))
        } else {
            (String::new(), "")
        };
        println!("| {name} | {} | {target} | {reached} |", show(each));
    }
}

fn load(tools: &[ToolShape]) {
    let before = memory("VmRSS:");
    forget_peak();
    let began = Instant::now();
    let policy = house::policy((0..LOADED).map(house::simple), tools);
    let took = began.elapsed();
    let (after, peak) = (memory("VmRSS:"), memory("VmHWM:"));
    assert_eq!(policy.rule_count(), LOADED);
    let reached = verdict(took < MOST_TO_LOAD);
    let each = (after - before) * 1_024 / u64::try_from(LOADED).unwrap();
    println!("| {LOADED} simple rules, no two alike | | target | |\n|---|---|---|---|");
    println!("| compiled in | {} | < 1 s | {reached} |", show(took));
    println!("| resident before | {} KiB | | |", before);
    println!("| … after | {after} KiB | | |");
    println!("| … at most meanwhile | {peak} KiB | | |");
    println!("| a rule takes | {each} bytes | | |");
    let arguments = house::arguments(&english(1_000));
    let runtime = runtime();
    let mut all = Samples::default();
    for _ in 0..20 {
        let (took, decision) = judge(&runtime, &policy, &tools[0], &arguments);
        assert_eq!(decision.verdict, Verdict::Allow, "{:?}", decision.detail);
        all.push(took);
    }
    println!(
        "| a call is judged by all in, p50 | {} | | |",
        show(all.percentile(50))
    );
}

/// How long each policy takes with a call, p50, taken in turns.
fn compare(
    policies: [&Policy; 2],
    tool: &ToolShape,
    arguments: &Map<String, Value>,
) -> [Duration; 2] {
    let runtime = runtime();
    let mut samples = [Samples::default(), Samples::default()];
    for number in 0..TIMES + TIMES / 10 {
        for (policy, samples) in policies.iter().zip(&mut samples) {
            let (took, decision) = judge(&runtime, policy, tool, arguments);
            assert_eq!(decision.verdict, Verdict::Allow, "{:?}", decision.detail);
            if number >= TIMES / 10 {
                samples.push(took);
            }
        }
    }
    samples.map(|samples| samples.percentile(50))
}

fn judge(
    runtime: &Runtime,
    policy: &Policy,
    tool: &ToolShape,
    arguments: &Map<String, Value>,
) -> (Duration, Decision) {
    let caller = house::caller();
    let facts = Facts {
        principal: &caller.principal,
        client: caller.client.as_ref(),
        tool,
        args: arguments,
        model: Some("gpt-5"),
        provider: Some("at-once"),
        files: &[],
        secrets: &[],
        usage: Usage::default(),
        now: jiff::Timestamp::now(),
    };
    let began = Instant::now();
    let decision = runtime.block_on(policy.input(&facts));
    (began.elapsed(), decision)
}

/// A figure of this process's memory, in KiB (proc_pid_status(5)).
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let figure = status.lines().find_map(|line| line.strip_prefix(what));
    let digits = figure.unwrap().trim().trim_end_matches(" kB");
    digits.parse().unwrap()
}

/// Lets `VmHWM` begin anew (proc_pid_clear_refs(5)).
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

//! What the corridor costs a call: from the call as it was received to its answer, where the model
//! answers at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keyward::{
    audit::{Audit, Fsync},
    guard::{Caller, Corridor, Outcome},
};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::{
    figures::{Samples, show, verdict},
    house::{self, runtime},
    texts::english,
};

/// How many calls are under way where they are concurrent.
const AT_ONCE: usize = 64;

/// The calls that are measured: the prompt and the answer, in bytes, and what they may cost.
const CALLS: [Call; 3] = [
    Call {
        name: "1 KB",
        prompt: 1_000,
        answer: 1_000,
        most: Some(Duration::from_micros(60)),
        count: 6_400,
    },
    Call {
        name: "100 KB",
        prompt: 100_000,
        answer: 1_000,
        most: Some(Duration::from_millis(2)),
        count: 1_280,
    },
    Call {
        name: "100 KB, answered with 100 KB",
        prompt: 100_000,
        answer: 100_000,
        most: None,
        count: 640,
    },
];

struct Call {
    name: &'static str,
    prompt: usize,
    answer: usize,
    /// What the target is for one at a time; `None`: there is none.
    most: Option<Duration>,
    /// How many are made.
    count: usize,
}

/// What stands around the calls.
struct Case {
    name: &'static str,
    rules: usize,
    fsync: Option<Fsync>,
}

/// Prints the table of the corridor.
pub fn measure() {
    heading();
    for case in [
        Case {
            name: "redaction as it is by default",
            rules: 0,
            fsync: None,
        },
        Case {
            name: "and 10 policy rules",
            rules: 10,
            fsync: None,
        },
        Case {
            name: "and an audit file, `fsync: never`",
            rules: 10,
            fsync: Some(Fsync::Never),
        },
        Case {
            name: "and an audit file, `fsync: always`",
            rules: 10,
            fsync: Some(Fsync::Always),
        },
    ] {
        rows(&case);
    }
}

/// The table's first lines.
pub fn heading() {
    println!(
        "| corridor | call | p50 | p99 | target, p50 | | {AT_ONCE} at once: p50 | p99 | calls a \
         second |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
}

/// The rows of calls that no audit hides in: 10 rules, and what `name` says besides.
pub fn rows_with(name: &'static str) {
    let case = Case {
        name,
        rules: 10,
        fsync: None,
    };
    rows(&case);
}

fn rows(case: &Case) {
    for call in CALLS {
        let runtime = runtime();
        let folder = house::folder();
        let audit = match case.fsync {
            Some(fsync) => house::audit_in(folder.path(), fsync),
            None => Arc::new(Audit::off()),
        };
        let redactor = house::redactor(1);
        let answer = english(call.answer);
        let corridor = house::corridor(&answer, case.rules, Arc::clone(&audit), redactor);
        let corridor = Arc::new(corridor);
        let arguments = Arc::new(house::arguments(&english(call.prompt)));
        // A disk that is asked for each record is not asked as often.
        let count = match case.fsync {
            Some(Fsync::Always) => call.count / 10,
            _ => call.count,
        };
        let (alone, at_once, took) = runtime.block_on(async {
            run(&corridor, &arguments, 1, count / 10).await;
            let (alone, _) = run(&corridor, &arguments, 1, count).await;
            let (at_once, took) = run(&corridor, &arguments, AT_ONCE, count).await;
            (alone, at_once, took)
        });
        runtime.block_on(audit.close());
        let (target, reached) = match call.most {
            Some(most) => {
                let reached = verdict(alone.percentile(50) <= most);
                (format!("≤ {}", show(most)), reached)
            }
            None => (String::new(), ""),
        };
        println!(
            "| {} | {} | {} | {target} | {reached} | {} | {:.0} |",
            case.name,
            call.name,
            alone.cells(),
            at_once.cells(),
            calls_a_second(count, took),
        );
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure of which three digits are shown"
)]
fn calls_a_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Makes `count` calls, `at_once` at a time; gives how long each took, and all.
async fn run(
    corridor: &Arc<Corridor>,
    arguments: &Arc<Map<String, Value>>,
    at_once: usize,
    count: usize,
) -> (Samples, Duration) {
    let began = Instant::now();
    let callers: Vec<_> = (0..at_once)
        .map(|_| {
            let (corridor, arguments) = (Arc::clone(corridor), Arc::clone(arguments));
            tokio::spawn(async move {
                let caller = house::caller();
                let mut took = Vec::new();
                for _ in 0..count / at_once {
                    took.push(one(&corridor, &caller, &arguments).await);
                }
                took
            })
        })
        .collect();
    let mut samples = Samples::default();
    for caller in callers {
        for took in caller.await.unwrap() {
            samples.push(took);
        }
    }
    (samples, began.elapsed())
}

async fn one(corridor: &Corridor, caller: &Caller, arguments: &Map<String, Value>) -> Duration {
    let received = house::call(caller, arguments);
    let progress = watch::Sender::default();
    let began = Instant::now();
    let outcome = corridor.call(received, progress).await;
    let took = began.elapsed();
    assert!(matches!(outcome, Outcome::Answer { .. }), "{outcome:?}");
    took
}

//! Where the corridor's time goes: its steps one by one, as far as they can be had alone.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use keyward::{
    audit::{Chain, Event, Record, hash_arguments},
    guard::{
        Validator,
        policy::{Facts, Policy, ToolShape, Usage},
        redaction::{Direction, Redactor},
        shapes,
    },
};
use serde_json::{Map, Value, json};

use crate::{
    figures::{Samples, show},
    house::{self, runtime},
    texts::english,
};

const TIMES: usize = 500;
const SIZES: [usize; 2] = [1_000, 100_000];

/// What the steps are tried on.
struct Tried {
    arguments: Map<String, Value>,
    answer: Value,
    redactor: Arc<Redactor>,
    validator: Validator,
    tools: Vec<ToolShape>,
}

type Step = (&'static str, fn(&Tried) -> Samples);

const STEPS: [Step; 10] = [
    ("the arguments' length as JSON (with an audit)", length),
    ("arguments against their schema", valid),
    ("hashes of the arguments (with an audit)", hashes),
    ("no policy", |tried| judged(tried, 0)),
    ("10 policy rules", |tried| judged(tried, 10)),
    ("redaction of the arguments", |tried| {
        redacted(
            tried,
            Direction::ToModel,
            &Value::Object(tried.arguments.clone()),
        )
    }),
    ("redaction of an answer of the same size", |tried| {
        redacted(tried, Direction::ToClient, &tried.answer)
    }),
    ("an answer of the same size against its schema", |tried| {
        samples(
            || (),
            |()| {
                assert!(tried.validator.output_fits("chat", &tried.answer));
            },
        )
    }),
    ("an answer of the same size as text", |tried| {
        samples(
            || (),
            |()| {
                black_box(&tried.answer["answer"])
                    .as_str()
                    .map(str::to_owned)
            },
        )
    }),
    (
        "a record into its chain (with an audit; on its sink's thread)",
        sealed,
    ),
];

/// Prints the table of steps.
pub fn measure() {
    println!("| step, p50 | 1 KB | 100 KB |\n|---|---|---|");
    let tried = SIZES.map(|bytes| {
        let registry = house::registry("");
        let definitions = registry.iter().map(|tool| (tool, tool.definition()));
        let text = english(bytes);
        Tried {
            arguments: house::arguments(&text),
            answer: json!({
                "answer": text, "model": "gpt-5", "provider": "at-once", "finish_reason": "stop",
                "usage": { "input_tokens": 250, "output_tokens": 250 },
            }),
            redactor: house::redactor(1),
            validator: Validator::new(definitions).unwrap(),
            tools: shapes(&registry),
        }
    });
    for (name, step) in STEPS {
        let [small, large] = tried
            .each_ref()
            .map(|tried| show(step(tried).percentile(50)));
        println!("| {name} | {small} | {large} |");
    }
}

/// Takes `step` many times, each with a `given` of its own that is made before its time begins.
fn samples<G, R>(given: impl Fn() -> G, step: impl Fn(G) -> R) -> Samples {
    let mut samples = Samples::default();
    for number in 0..TIMES + TIMES / 10 {
        let given = given();
        let began = Instant::now();
        let result = step(given);
        let took: Duration = began.elapsed();
        black_box(result);
        if number >= TIMES / 10 {
            samples.push(took);
        }
    }
    samples
}

fn length(tried: &Tried) -> Samples {
    samples(
        || (),
        |()| serde_json::to_vec(&tried.arguments).unwrap().len(),
    )
}

fn valid(tried: &Tried) -> Samples {
    samples(
        || tried.arguments.clone(),
        |arguments| tried.validator.validate("chat", arguments).is_ok(),
    )
}

fn hashes(tried: &Tried) -> Samples {
    samples(|| (), |()| hash_arguments(&[7; 32], &tried.arguments))
}

fn judged(tried: &Tried, rules: usize) -> Samples {
    let policy: Policy = house::policy((0..rules).map(house::simple), &tried.tools);
    let caller = house::caller();
    let facts = Facts {
        principal: &caller.principal,
        client: caller.client.as_ref(),
        tool: &tried.tools[0],
        args: &tried.arguments,
        model: Some("gpt-5"),
        provider: Some("at-once"),
        files: &[],
        secrets: &[],
        usage: Usage::default(),
        now: jiff::Timestamp::now(),
    };
    let runtime = runtime();
    samples(|| (), |()| runtime.block_on(policy.input(&facts)))
}

fn redacted(tried: &Tried, direction: Direction, document: &Value) -> Samples {
    samples(
        || document.clone(),
        |mut document| {
            let report = tried.redactor.document(direction, &mut document, &[]);
            assert!(report.findings.is_empty());
            document
        },
    )
}

fn sealed(tried: &Tried) -> Samples {
    let mut record = Record::new(Event::CallAccepted);
    record.arguments_hmac = hash_arguments(&[7; 32], &tried.arguments);
    let record = Arc::new(record);
    samples(Chain::new, |mut chain| chain.seal(&record).unwrap().len())
}

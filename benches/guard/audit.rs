//! How many records a second are kept in a file, and how fast a file of them is verified.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::sync_channel},
    thread,
    time::{Duration, Instant},
};

use keyward::audit::{
    Event, Fsync, Record, RecordedClient, RecordedPrincipal, Verification, verify,
};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::{
    figures::{Samples, show, verdict},
    house::{self, runtime},
};

/// Who waits for a record at the same time, and how many records are kept.
const CASES: [(Fsync, &str, usize, usize, Option<f64>); 6] = [
    (Fsync::Always, "always", 1, 300, None),
    (Fsync::Always, "always", 64, 20_000, Some(5_000.0)),
    (Fsync::Always, "always", 512, 50_000, None),
    (Fsync::Never, "never", 1, 50_000, None),
    (Fsync::Never, "never", 64, 300_000, Some(100_000.0)),
    (Fsync::Never, "never", 512, 300_000, None),
];

/// How many records are kept one at a time.
const ALONE: usize = 10_000;

/// Prints the tables of the audit.
pub fn measure() {
    println!("| audit file | that wait for their record | records | records a second | target | |");
    println!("|---|---|---|---|---|---|");
    let mut verified = None;
    for (fsync, name, waiters, records, least) in CASES {
        let folder = house::folder();
        let took = keep(folder.path(), fsync, waiters, records / waiters);
        let kept = records / waiters * waiters;
        let a_second = rate(kept, took);
        let (target, reached) = match least {
            Some(least) => (format!("≥ {least:.0}"), verdict(a_second >= least)),
            None => (String::new(), ""),
        };
        println!("| `fsync: {name}` | {waiters} | {kept} | {a_second:.0} | {target} | {reached} |");
        verified = Some((folder, kept));
    }
    let (folder, kept) = verified.unwrap();
    println!();
    one_record();
    println!();
    verification(folder.path(), kept);
}

fn keep(folder: &Path, fsync: Fsync, waiters: usize, each: usize) -> Duration {
    let audit = house::audit_in(folder, fsync);
    let runtime = runtime();
    runtime.block_on(async {
        let began = Instant::now();
        let waiters: Vec<_> = (0..waiters)
            .map(|_| {
                let audit = audit.clone();
                tokio::spawn(async move {
                    let base = record();
                    for _ in 0..each {
                        audit.record(base.again(Event::CallAccepted)).await.unwrap();
                    }
                })
            })
            .collect();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        let took = began.elapsed();
        audit.close().await;
        took
    })
}

/// Prints what a record takes that comes alone, and of what that is made.
fn one_record() {
    println!("| one record at a time | p50 | p99 |\n|---|---|---|");
    let folder = house::folder();
    let audit = house::audit_in(folder.path(), Fsync::Never);
    let runtime = runtime();
    let kept = runtime.block_on(async {
        let task = tokio::spawn(async move {
            let (base, mut samples) = (record(), Samples::default());
            for _ in 0..ALONE {
                let record = base.again(Event::CallAccepted);
                let began = Instant::now();
                audit.record(record).await.unwrap();
                samples.push(began.elapsed());
            }
            audit.close().await;
            samples
        });
        task.await.unwrap()
    });
    println!("| kept in a file, `fsync: never` | {} |", kept.cells());
    let mut sink = house::sink_in(folder.path(), Fsync::Never);
    let batch = [Arc::new(record())];
    let mut written = Samples::default();
    for _ in 0..ALONE {
        let began = Instant::now();
        sink.write(&batch).unwrap();
        written.push(began.elapsed());
    }
    println!(
        "| … written by the sink, without a thread between | {} |",
        written.cells()
    );
    println!(
        "| … a bare question to a thread, and its answer | {} |",
        asked(&runtime).cells()
    );
}

/// How long a task waits for a thread that does nothing but answer.
fn asked(runtime: &Runtime) -> Samples {
    let (queue, questions) = sync_channel::<oneshot::Sender<()>>(1);
    let thread = thread::spawn(move || {
        for question in questions {
            question.send(()).unwrap();
        }
    });
    let samples = runtime.block_on(async {
        let task = tokio::spawn(async move {
            let mut samples = Samples::default();
            for _ in 0..ALONE {
                let began = Instant::now();
                let (question, answer) = oneshot::channel();
                queue.send(question).unwrap();
                answer.await.unwrap();
                samples.push(began.elapsed());
            }
            samples
        });
        task.await.unwrap()
    });
    thread.join().unwrap();
    samples
}

fn verification(folder: &Path, kept: usize) {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // Closed files carry their time in their name; the one that is written to is the last.
    files.sort_by_key(|file| (file.ends_with("audit.jsonl"), file.clone()));
    let bytes: u64 = files
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();
    let what = Verification {
        files: &files,
        begins_at: 1,
        checkpoints: None,
    };
    let began = Instant::now();
    let report = verify(&what).unwrap();
    let took = began.elapsed();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.records, u64::try_from(kept).unwrap());
    println!(
        "| `audit verify` | records | bytes | time | records a second | MB/s |\n|---|---|---|---|---|---|"
    );
    let a_second = rate(kept, took);
    let megabytes = rate(usize::try_from(bytes).unwrap(), took) / 1e6;
    println!(
        "| {} files | {kept} | {bytes} | {} | {a_second:.0} | {megabytes:.0} |",
        files.len(),
        show(took)
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure of which three digits are told"
)]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// As a call of `chat` leaves it.
fn record() -> Record {
    let mut record = Record::new(Event::CallAccepted);
    record.request_id = Some("0af7651916cd43dd8448eb211c80319c".to_owned());
    record.trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
    record.principal = Some(RecordedPrincipal {
        id: "alice".to_owned(),
        kind: Some("local"),
        groups: vec!["staff".to_owned()],
    });
    record.client = Some(RecordedClient {
        name: "claude-code".to_owned(),
        version: "2.0.1".to_owned(),
    });
    record.tool = Some("chat".to_owned());
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    record.arguments_hmac = ["prompt", "model"]
        .map(|name| (name.to_owned(), hash.to_owned()))
        .into();
    record.model = Some("gpt-5".to_owned());
    record.provider = Some("openai".to_owned());
    record.secrets = vec!["openai".to_owned()];
    record.bytes_in = Some(1_042);
    record
}

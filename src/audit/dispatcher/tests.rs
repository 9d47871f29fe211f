//! What a record that is waited for may rely on, with sinks that fail, stall and come back.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::*;
use crate::audit::{Event, SinkError};

type Batches = Arc<Mutex<Vec<Vec<Arc<Record>>>>>;

/// Keeps what it is given, as the test lets it.
struct Scripted {
    batches: Batches,
    /// Told of each batch before the verdict is awaited.
    begun: Sender<()>,
    /// What becomes of each batch; once the test dropped its end, all are kept.
    verdicts: Receiver<bool>,
}

/// The test's end of a [`Scripted`] sink.
struct Script {
    batches: Batches,
    begun: Receiver<()>,
    verdicts: Sender<bool>,
}

impl Sink for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn write(&mut self, batch: &[Arc<Record>]) -> Result<(), SinkError> {
        let _nobody_asks = self.begun.send(());
        if !self.verdicts.recv().unwrap_or(true) {
            return Err(SinkError("as the test says".into()));
        }
        self.batches.lock().unwrap().push(batch.to_vec());
        Ok(())
    }
}

fn scripted() -> (Box<dyn Sink>, Script) {
    let batches = Batches::default();
    let (begins, begun) = channel();
    let (verdicts, awaited) = channel();
    let sink = Scripted {
        batches: Arc::clone(&batches),
        begun: begins,
        verdicts: awaited,
    };
    let script = Script {
        batches,
        begun,
        verdicts,
    };
    (Box::new(sink), script)
}

/// A sink that keeps everything.
fn free() -> (Box<dyn Sink>, Batches) {
    let (sink, script) = scripted();
    (sink, script.batches)
}

/// A sink that keeps nothing.
struct Broken;

impl Sink for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn write(&mut self, _: &[Arc<Record>]) -> Result<(), SinkError> {
        Err(SinkError("no".into()))
    }
}

fn audit(sinks: Vec<Box<dyn Sink>>, on_failure: OnFailure) -> Audit {
    Audit::new(sinks, on_failure, Duration::from_secs(30)).unwrap()
}

fn record(tool: impl ToString) -> Record {
    let mut record = Record::new(Event::CallAccepted);
    record.tool = Some(tool.to_string());
    record
}

/// What each batch says: the tool, or how many were lost.
fn told(batches: &Batches) -> Vec<Vec<String>> {
    let tell = |record: &Arc<Record>| match record.event {
        Event::RecordsLost => format!("lost {}", record.count.unwrap()),
        _ => record.tool.clone().unwrap(),
    };
    let batches = batches.lock().unwrap();
    batches
        .iter()
        .map(|batch| batch.iter().map(tell).collect())
        .collect()
}

#[tokio::test]
async fn a_record_is_kept_once_one_sink_has_kept_it() {
    let (sink, batches) = free();
    let audit = audit(vec![Box::new(Broken), sink], OnFailure::Block);
    audit.record(record("chat")).await.unwrap();
    assert_eq!(told(&batches), [["chat"]]);
    let instance = batches.lock().unwrap()[0][0].instance.clone().unwrap();
    assert!(instance.len() == 16 && instance.chars().all(|c| c.is_ascii_hexdigit()));
}

#[tokio::test]
async fn what_no_sink_keeps_is_refused_or_warned_of_as_configured() {
    let block = audit(vec![Box::new(Broken), Box::new(Broken)], OnFailure::Block);
    assert_eq!(block.record(record("chat")).await, Err(NotRecorded::Failed));
    let warn = audit(vec![Box::new(Broken)], OnFailure::Warn);
    assert_eq!(warn.record(record("chat")).await, Ok(()));
}

#[tokio::test]
async fn without_an_audit_nothing_is_refused() {
    let audit = Audit::off();
    assert_eq!(audit.record(record("chat")).await, Ok(()));
    audit.close().await;
}

#[tokio::test]
async fn a_sink_has_more_than_the_smallest_stack() {
    struct Deep;

    impl Sink for Deep {
        fn name(&self) -> &'static str {
            "deep"
        }

        fn write(&mut self, _: &[Arc<Record>]) -> Result<(), SinkError> {
            let frame = [1_u8; 256 * 1024];
            std::hint::black_box(&frame);
            Ok(())
        }
    }

    let audit = audit(vec![Box::new(Deep)], OnFailure::Block);
    assert_eq!(audit.record(record("chat")).await, Ok(()));
}

#[tokio::test]
async fn a_stuck_sink_does_not_delay_another() {
    let (stuck, script) = scripted();
    let (sink, batches) = free();
    let audit = audit(vec![stuck, sink], OnFailure::Block);
    audit.record(record(1)).await.unwrap();
    script.begun.recv().unwrap();
    audit.record(record(2)).await.unwrap();
    assert_eq!(told(&batches), [["1"], ["2"]]);
    assert_eq!(told(&script.batches), [[""; 0]; 0]);
}

// The clock is the test's: it jumps to the deadline as soon as there is nothing else to do.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_stuck_sink_longer_than_the_deadline() {
    for (on_failure, expected) in [
        (OnFailure::Block, Err(NotRecorded::TimedOut)),
        (OnFailure::Warn, Ok(())),
    ] {
        let (stuck, script) = scripted();
        let audit = audit(vec![stuck], on_failure);
        assert_eq!(audit.record(record("chat")).await, expected);
        // Nor does the end.
        audit.close().await;
        drop(script);
    }
}

#[tokio::test]
async fn records_that_wait_at_the_same_time_share_one_write() {
    let (sink, script) = scripted();
    let audit = audit(vec![sink], OnFailure::Block);
    let first = audit.enqueue(record("first"));
    script.begun.recv().unwrap();
    let waiting: Vec<_> = (0..100).map(|index| audit.enqueue(record(index))).collect();
    script.verdicts.send(true).unwrap();
    script.verdicts.send(true).unwrap();
    first.kept().await.unwrap();
    for pending in waiting {
        pending.kept().await.unwrap();
    }
    let batches = told(&script.batches);
    assert_eq!(batches.len(), 2);
    assert_eq!(
        batches[1],
        (0..100).map(|index| index.to_string()).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn every_sink_is_given_the_records_in_one_order() {
    let (one, first) = free();
    let (other, second) = free();
    let audit = audit(vec![one, other], OnFailure::Block);
    thread::scope(|scope| {
        for writer in 0..4 {
            let audit = &audit;
            scope.spawn(move || {
                for index in 0..200 {
                    drop(audit.enqueue(record(format!("{writer}:{index:03}"))));
                }
            });
        }
    });
    audit.close().await;
    let first = told(&first).concat();
    assert_eq!(first.len(), 800);
    assert_eq!(first, told(&second).concat());
    for writer in 0..4 {
        let own = |tool: &&String| tool.starts_with(&format!("{writer}:"));
        assert!(first.iter().filter(own).is_sorted());
    }
}

#[tokio::test]
async fn a_record_whose_caller_left_is_kept() {
    let (sink, batches) = free();
    let audit = audit(vec![sink], OnFailure::Block);
    drop(audit.record(record("never polled")));
    drop(audit.enqueue(record("never awaited")));
    audit.close().await;
    assert_eq!(told(&batches).concat(), ["never polled", "never awaited"]);
}

#[tokio::test]
async fn closing_keeps_what_is_queued_and_takes_nothing_more() {
    let (sink, script) = scripted();
    let audit = audit(vec![sink], OnFailure::Block);
    let pending: Vec<_> = (0..10).map(|index| audit.enqueue(record(index))).collect();
    let Script {
        batches, verdicts, ..
    } = script;
    drop(verdicts);
    audit.close().await;
    assert_eq!(told(&batches).concat().len(), 10);
    for pending in pending {
        pending.kept().await.unwrap();
    }
    assert_eq!(audit.record(record("late")).await, Err(NotRecorded::Failed));
}

#[tokio::test]
async fn a_sink_that_works_again_is_used_again_and_tells_what_it_lost() {
    let (sink, script) = scripted();
    let audit = audit(vec![sink], OnFailure::Block);
    for index in 0..3 {
        script.verdicts.send(false).unwrap();
        assert_eq!(audit.record(record(index)).await, Err(NotRecorded::Failed));
    }
    script.verdicts.send(true).unwrap();
    audit.record(record(3)).await.unwrap();
    script.verdicts.send(true).unwrap();
    audit.record(record(4)).await.unwrap();
    assert_eq!(told(&script.batches), [vec!["lost 3", "3"], vec!["4"]]);
}

#[tokio::test]
async fn every_record_of_a_batch_that_failed_is_told_of() {
    let (sink, script) = scripted();
    let audit = audit(vec![sink], OnFailure::Block);
    let first = audit.enqueue(record("first"));
    script.begun.recv().unwrap();
    let second: Vec<_> = (0..10).map(|index| audit.enqueue(record(index))).collect();
    script.verdicts.send(true).unwrap();
    script.verdicts.send(false).unwrap();
    first.kept().await.unwrap();
    for pending in second {
        assert_eq!(pending.kept().await, Err(NotRecorded::Failed));
    }
    script.verdicts.send(true).unwrap();
    audit.record(record("last")).await.unwrap();
    assert_eq!(
        told(&script.batches),
        [vec!["first"], vec!["lost 10", "last"]]
    );
}

#[tokio::test]
async fn a_full_queue_loses_records_at_once_and_tells_how_many() {
    let (sink, script) = scripted();
    let audit = audit(vec![sink], OnFailure::Block);
    drop(audit.enqueue(record("first")));
    script.begun.recv().unwrap();
    let mut lost = 0;
    for index in 0..5000 {
        // Still queued: nobody has an answer yet.
        let mut pending = audit.enqueue(record(index)).0.unwrap();
        lost += u64::from(pending.kept.try_recv() == Err(oneshot::error::TryRecvError::Closed));
    }
    assert_eq!(lost, 5000 - 4096);
    let Script {
        batches, verdicts, ..
    } = script;
    drop(verdicts);
    audit.close().await;
    let told = told(&batches);
    assert_eq!(told[0], ["first"]);
    assert_eq!(told[1][..2], ["lost 904".to_owned(), "0".to_owned()]);
    assert_eq!(told[1..].concat().len(), 4096 + 1);
}

#[tokio::test]
async fn a_queue_of_long_records_is_full_by_their_length() {
    let (sink, script) = scripted();
    let audit = audit(vec![sink], OnFailure::Block);
    drop(audit.enqueue(record("first")));
    script.begun.recv().unwrap();
    let long = || {
        let mut record = record("long");
        record.arguments = Some("x".repeat(200_000).into());
        record
    };
    let mut refused = 0;
    let mut queued = Vec::new();
    for _ in 0..100 {
        let mut pending = audit.enqueue(long()).0.unwrap();
        if pending.kept.try_recv() == Err(oneshot::error::TryRecvError::Closed) {
            refused += 1;
        } else {
            queued.push(Pending(Some(pending)));
        }
    }
    assert!((15..25).contains(&refused), "{refused}");
    // What was written makes room.
    drop(script.verdicts);
    for pending in queued {
        pending.kept().await.unwrap();
    }
    audit.record(long()).await.unwrap();
}

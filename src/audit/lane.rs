//! One sink's lane: its queue, the thread that drives it, and what it lost.
//!
//! The thread takes all that is queued as one batch, so that whoever waits shares one write and
//! one sync. A queue that is full loses the record for this sink, at once; the count is told in
//! the sink's own records as soon as it can keep any.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
};

use nix::sys::signal::{SigSet, Signal};
use tokio::sync::oneshot;

use super::{Event, Record, Sink};

/// The most records that wait for a sink.
const QUEUE_RECORDS: usize = 4096;
/// The most bytes that they take, about.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// The most records of a batch.
const BATCH_RECORDS: usize = 1024;
/// A sink serialises, writes and, in one case, speaks TLS: more than the smallest stack, less than
/// the usual.
const STACK_BYTES: usize = 1024 * 1024;

/// A record and who waits for it. Once every sink has dropped its copy without keeping the record,
/// whoever waits learns that nobody has.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    record: Arc<Record>,
    bytes: usize,
    waiting: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Entry {
    pub(super) fn new(record: Record, bytes: usize) -> (Self, oneshot::Receiver<()>) {
        let (sender, kept) = oneshot::channel();
        let entry = Self {
            record: Arc::new(record),
            bytes,
            waiting: Arc::new(Mutex::new(Some(sender))),
        };
        (entry, kept)
    }

    /// What it tells of.
    pub(super) fn event(&self) -> &'static str {
        self.record.event.label()
    }

    fn is_kept(&self) {
        let waiting = &mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.take() {
            // Whoever waited may have gone.
            let _gone = sender.send(());
        }
    }
}

/// The near end of a sink's queue.
#[derive(Debug)]
pub(super) struct Lane {
    name: &'static str,
    queue: SyncSender<Entry>,
    count: Arc<Count>,
    ended: oneshot::Receiver<()>,
}

/// What both ends of the queue know.
#[derive(Debug, Default)]
struct Count {
    /// Bytes that are queued.
    bytes: AtomicUsize,
    /// Records that found the queue full, and have not been told of.
    lost: AtomicU64,
}

impl Lane {
    /// Starts the thread that drives `sink`.
    pub(super) fn start(sink: Box<dyn Sink>, instance: String) -> io::Result<Self> {
        let name = sink.name();
        let (queue, entries) = sync_channel(QUEUE_RECORDS);
        let (ends, ended) = oneshot::channel();
        let count = Arc::new(Count::default());
        let driver = Driver {
            sink,
            instance,
            entries,
            count: Arc::clone(&count),
            untold: 0,
            is_failing: false,
        };
        thread::Builder::new()
            .name(format!("audit-{name}"))
            .stack_size(STACK_BYTES)
            .spawn(move || {
                driver.run();
                let _nobody_waits = ends.send(());
            })?;
        Ok(Self {
            name,
            queue,
            count,
            ended,
        })
    }

    /// Queues `entry`, or counts it as lost.
    pub(super) fn offer(&self, entry: &Entry) {
        let queued = self.count.bytes.fetch_add(entry.bytes, Ordering::Relaxed);
        let fits = queued + entry.bytes <= QUEUE_BYTES;
        if !fits || self.queue.try_send(entry.clone()).is_err() {
            self.count.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
            self.count.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets the thread end once the queue is empty; what is returned resolves then.
    pub(super) fn end(self) -> (&'static str, oneshot::Receiver<()>) {
        (self.name, self.ended)
    }
}

/// What the thread owns.
struct Driver {
    sink: Box<dyn Sink>,
    instance: String,
    entries: Receiver<Entry>,
    count: Arc<Count>,
    /// Records that were lost and not told of.
    untold: u64,
    is_failing: bool,
}

impl Driver {
    fn run(mut self) {
        // A write beyond the limit of a file's size (RLIMIT_FSIZE) would end the process by this
        // signal; blocked, it is an error like a full disk (setrlimit(2)).
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGXFSZ);
        if let Err(error) = signals.thread_block() {
            tracing::warn!(%error, "a limit of a file's size would end this process");
        }
        loop {
            let next = match self.sink.tend() {
                None => self.entries.recv().map_err(RecvTimeoutError::from),
                Some(wait) => self.entries.recv_timeout(wait),
            };
            match next {
                Ok(first) => self.keep(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.sink.close();
    }

    /// Gives the sink `first` and all that is queued behind it.
    fn keep(&mut self, first: Entry) {
        let behind = self.entries.try_iter().take(BATCH_RECORDS - 1);
        let batch: Vec<Entry> = std::iter::once(first).chain(behind).collect();
        let bytes = batch.iter().map(|entry| entry.bytes).sum();
        self.untold += self.count.lost.swap(0, Ordering::Relaxed);
        let told = (self.untold > 0).then(|| Arc::new(self.records_lost()));
        let records = batch.iter().map(|entry| Arc::clone(&entry.record));
        let records: Vec<Arc<Record>> = told.into_iter().chain(records).collect();

        let result = self.sink.write(&records);
        self.count.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let sink = self.sink.name();
        match result {
            Ok(()) => {
                batch.iter().for_each(Entry::is_kept);
                if self.is_failing || self.untold > 0 {
                    tracing::warn!(
                        sink,
                        lost = self.untold,
                        "the audit sink keeps records again"
                    );
                }
                self.untold = 0;
                self.is_failing = false;
            }
            Err(error) => {
                self.untold += batch.len() as u64;
                if !self.is_failing {
                    tracing::error!(sink, %error, "the audit sink does not keep records");
                }
                self.is_failing = true;
            }
        }
    }

    fn records_lost(&self) -> Record {
        let mut record = Record::new(Event::RecordsLost);
        record.instance = Some(self.instance.clone());
        record.count = Some(self.untold);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::SinkError;

    /// Keeps a batch or not, as it says for each, the last one first.
    struct Scripted(Vec<bool>);

    impl Sink for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        fn write(&mut self, _: &[Arc<Record>]) -> Result<(), SinkError> {
            let is_kept = self.0.pop().unwrap();
            is_kept.then_some(()).ok_or(SinkError("no".into()))
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_tells_when_a_sink_begins_to_fail_and_when_it_works_again_and_no_more() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let verdicts = [false, false, false, true, true, false, true];
        let (_queue, entries) = sync_channel(1);
        let mut driver = Driver {
            sink: Box::new(Scripted(verdicts.into_iter().rev().collect())),
            instance: String::new(),
            entries,
            count: Arc::default(),
            untold: 0,
            is_failing: false,
        };
        tracing::subscriber::with_default(subscriber, || {
            for _ in verdicts {
                driver.keep(Entry::new(Record::new(Event::CallAccepted), 0).0);
            }
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let works = |line: &str| line.contains("keeps records again");
        let works: Vec<bool> = log.lines().map(works).collect();
        assert_eq!(works, [false, true, false, true], "{log}");
    }
}

//! Signs checkpoints of a file, on a thread of its own: the key may come from a store that is
//! slow, and no record waits for that.
//!
//! A checkpoint that cannot be made is tried again at the next turn, with what is the end by then;
//! records are kept meanwhile. The key is fetched for each signature and dropped after it.

use std::{
    io::{self, Write as _},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{CheckpointSettings, journal, place};
use crate::audit::{Chain, SinkError, checkpoint};

/// How long the end of the process waits for the last checkpoint.
const LAST_PATIENCE: Duration = Duration::from_secs(3);
/// How long a checkpoint waits for another process that writes one.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const STACK_BYTES: usize = 1024 * 1024;

/// Fetches the key that signs; `None` if it cannot be had now. It is called on a thread that may
/// wait.
pub type SigningKey = Arc<dyn Fn() -> Option<Zeroizing<Vec<u8>>> + Send + Sync>;

/// Decides when a checkpoint is due and hands it to the thread.
pub(super) struct Signer {
    every: Duration,
    records: u64,
    /// The chain as it is in the file.
    latest: Chain,
    /// New records since the last attempt.
    unsigned: u64,
    attempted: Instant,
    desk: Arc<Mutex<Desk>>,
    /// Wakes the thread. One call that is not heard yet is enough.
    bell: SyncSender<()>,
    ended: Receiver<()>,
}

/// What lies between the two: only the latest is worth signing.
#[derive(Default)]
struct Desk {
    wanted: Chain,
    signed: Chain,
}

impl Signer {
    pub(super) fn start(
        settings: &CheckpointSettings,
        path: PathBuf,
        key: SigningKey,
    ) -> io::Result<Self> {
        let desk = Arc::new(Mutex::new(Desk::default()));
        let (bell, calls) = sync_channel(1);
        let (ends, ended) = sync_channel(1);
        let pen = Pen {
            path,
            origin: settings.origin.clone(),
            key,
            is_failing: false,
            is_introduced: false,
        };
        let far = Arc::clone(&desk);
        thread::Builder::new()
            .name("audit-sign".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let mut pen = pen;
                for () in calls {
                    let wanted = at(&far).wanted;
                    if wanted != at(&far).signed && pen.sign_and_tell(wanted) {
                        at(&far).signed = wanted;
                    }
                }
                let _nobody_waits = ends.send(());
            })?;
        Ok(Self {
            every: settings.every,
            records: settings.records,
            latest: Chain::new(),
            unsigned: 0,
            attempted: Instant::now(),
            desk,
            bell,
            ended,
        })
    }

    /// Learns that `count` more records are in the file, up to `chain`.
    pub(super) fn note(&mut self, chain: Chain, count: u64) {
        self.latest = chain;
        self.unsigned += count;
    }

    /// Whether a checkpoint is due. What it will state must be on the disk.
    pub(super) fn is_due(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// In how long a checkpoint is due; `None`: nothing is there to be signed.
    pub(super) fn left(&self) -> Option<Duration> {
        if self.is_signed() {
            None
        } else if self.unsigned >= self.records {
            Some(Duration::ZERO)
        } else {
            Some(self.every.saturating_sub(self.attempted.elapsed()))
        }
    }

    fn is_signed(&self) -> bool {
        at(&self.desk).signed == self.latest
    }

    /// Hands what is to be signed to the thread; what it has not begun with is not signed any more.
    pub(super) fn hand_over(&mut self) {
        at(&self.desk).wanted = self.latest;
        let _called_already = self.bell.try_send(());
        self.unsigned = 0;
        self.attempted = Instant::now();
    }

    /// Signs what is not signed yet, and waits for that.
    pub(super) fn close(mut self) {
        if !self.is_signed() {
            self.hand_over();
        }
        let Self { bell, ended, .. } = self;
        drop(bell);
        if ended.recv_timeout(LAST_PATIENCE).is_err() {
            tracing::error!("the last checkpoint of the audit was not signed in time");
        }
    }
}

fn at(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes checkpoints; lives on the thread.
struct Pen {
    path: PathBuf,
    origin: String,
    key: SigningKey,
    is_failing: bool,
    /// Whether the log has the key that verifies.
    is_introduced: bool,
}

impl Pen {
    fn sign_and_tell(&mut self, chain: Chain) -> bool {
        let result = self.sign(chain);
        if let Err(error) = &result
            && !self.is_failing
        {
            tracing::error!(
                path = %self.path.display(), %error,
                "a checkpoint of the audit is not signed; it is tried again when the next is due"
            );
        }
        self.is_failing = result.is_err();
        result.is_ok()
    }

    fn sign(&mut self, chain: Chain) -> Result<(), SinkError> {
        let signed = (self.key)()
            .ok_or_else(|| SinkError("the signing key is unavailable".to_owned()))
            .map(|key| checkpoint::sign(&key, &self.origin, chain.sequence(), chain.head()))?
            .map_err(|error| SinkError(error.to_string()))?;
        if !self.is_introduced {
            tracing::info!(verifier_key = %signed.verifier_key, "checkpoints of the audit are signed");
            self.is_introduced = true;
        }
        self.append(&signed.note)
    }

    fn append(&self, note: &str) -> Result<(), SinkError> {
        let file = place::open(&self.path)?;
        // Other processes sign too.
        journal::lock(&file, &self.path, Instant::now() + LOCK_PATIENCE)?;
        let write = || {
            let length = file.metadata()?.len();
            // Notes are parted by an empty line, also from one that was never finished.
            let mut text = String::new();
            if let Some(last) = length.checked_sub(1) {
                let mut byte = [0];
                file.read_exact_at(&mut byte, last)?;
                text.push_str(if byte == *b"\n" { "\n" } else { "\n\n" });
            }
            text.push_str(note);
            let written = (&file)
                .write_all(text.as_bytes())
                .and_then(|()| file.sync_data());
            if written.is_err() {
                file.set_len(length)?;
            }
            written
        };
        // Closing the file unlocks it.
        write().map_err(|error: io::Error| journal::failed("write to", &self.path, &error))
    }
}

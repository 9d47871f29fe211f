//! The pool: the one place where keys rest in this process.
//!
//! Sixteen pages, reserved at start, locked into memory where the limits allow it, left out of
//! core dumps and of forked children, with a guard page on either side. It is small on purpose:
//! it bounds how many keys the process can hold, and it fits the 64 KiB that an ordinary user may
//! lock. A value is wiped when its buffer is dropped. The pool must never grow, and a value must
//! never leave it by `Debug`, `Clone` or comparison.
#![expect(
    unsafe_code,
    reason = "hands out slices of the mapping that one buffer owns alone"
)]

mod mapping;
pub(super) mod report;

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};
use zeroize::Zeroize;

use self::{mapping::Mapping, report::PoolReport};
use super::{Lock, slots::Slots};

/// How many pages are reserved.
pub(in crate::secrets::memory) const PAGES: usize = 16;

/// How long a value waits for room before its call fails: well within the deadline of any store, so
/// that a full pool is not taken for a slow store.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Locked memory, shared by everything that holds a key.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    report: PoolReport,
    longest_wait: Duration,
}

/// What the buffers keep alive.
#[derive(Debug)]
struct Shared {
    /// `None` if the system gave no memory: such a pool is always full.
    mapping: Option<Mapping>,
    slots: Mutex<Slots>,
    /// The head of the queue waits for this; a release stores at most one wake-up.
    released: Notify,
    /// How many wait for room.
    waiting: AtomicUsize,
    /// One permit, handed on in order of arrival: who holds it is the head of the queue.
    queue: Semaphore,
}

/// A value at rest in the pool. Not `Clone`; `Debug` shows its length alone; wiped on drop.
pub struct LockedBuffer {
    shared: Arc<Shared>,
    run: Range<usize>,
    length: usize,
}

/// The pool had no room, and none came free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "locked memory is full: too many calls hold a key at the same time; send fewer at once, or \
     try again"
)]
pub struct PoolFull;

impl Pool {
    /// Reserves the pool's pages. Never fails: see [`Pool::report`] for what could not be had.
    #[must_use]
    pub fn reserve() -> Arc<Self> {
        Self::reserve_with(Lock::default(), LONGEST_WAIT)
    }

    /// As [`Pool::reserve`], locked as `lock` says. Whether it could be is told by
    /// [`Pool::report`], for `Require` too.
    #[must_use]
    pub fn reserve_as(lock: Lock) -> Arc<Self> {
        Self::reserve_with(lock, LONGEST_WAIT)
    }

    /// As [`Pool::reserve`], with another limit to the wait for room.
    #[must_use]
    pub fn reserve_with(lock: Lock, longest_wait: Duration) -> Arc<Self> {
        let (mapping, report) = match Mapping::reserve(PAGES, lock != Lock::Off) {
            Ok(mapping) => {
                let report = PoolReport::of(&mapping);
                (Some(mapping), report)
            }
            Err(because) => (None, PoolReport::without_memory(because)),
        };
        let bytes = mapping.as_ref().map_or(0, Mapping::bytes);
        Arc::new(Self {
            shared: Arc::new(Shared {
                mapping,
                slots: Mutex::new(Slots::new(bytes)),
                released: Notify::new(),
                waiting: AtomicUsize::new(0),
                queue: Semaphore::new(1),
            }),
            report,
            longest_wait,
        })
    }

    /// Copies `value` into the pool. Waits up to three seconds while it is full, in order of
    /// arrival.
    ///
    /// # Errors
    /// [`PoolFull`] after that time, or at once if the value is larger than the pool.
    pub async fn store(&self, value: &[u8]) -> Result<LockedBuffer, PoolFull> {
        if value.len() > self.report.bytes {
            return Err(PoolFull);
        }
        // Past nobody: while there is room, callers do not queue for one another.
        if self.shared.waiting.load(Ordering::SeqCst) == 0
            && let Ok(buffer) = self.try_store(value)
        {
            return Ok(buffer);
        }
        let _waiting = Waiting::join(&self.shared.waiting);
        timeout(self.longest_wait, self.wait_and_store(value))
            .await
            .unwrap_or(Err(PoolFull))
    }

    /// Copies `value` into the pool, at once or not at all, past whoever waits.
    ///
    /// # Errors
    /// [`PoolFull`] if there is no room now.
    pub fn try_store(&self, value: &[u8]) -> Result<LockedBuffer, PoolFull> {
        let mapping = self.shared.mapping.as_ref().ok_or(PoolFull)?;
        let run = self.shared.slots().take(value.len()).ok_or(PoolFull)?;
        // SAFETY: the run was free and is now taken, so nothing else refers to its bytes.
        let bytes = unsafe { mapping.bytes_mut(&run) };
        bytes[..value.len()].copy_from_slice(value);
        Ok(LockedBuffer {
            shared: Arc::clone(&self.shared),
            run,
            length: value.len(),
        })
    }

    /// What was reserved, whether it is locked, and what to do if not.
    #[must_use]
    pub fn report(&self) -> &PoolReport {
        &self.report
    }

    /// Where the pool lies, as addresses of this process; empty if there is no memory.
    #[must_use]
    pub fn address_range(&self) -> Range<u64> {
        self.shared
            .mapping
            .as_ref()
            .map_or(0..0, Mapping::address_range)
    }

    /// How many bytes are taken now, in whole granules.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.shared.slots().taken_bytes()
    }

    async fn wait_and_store(&self, value: &[u8]) -> Result<LockedBuffer, PoolFull> {
        let _head = self.shared.queue.acquire().await.map_err(|_| PoolFull)?;
        loop {
            if let Ok(buffer) = self.try_store(value) {
                return Ok(buffer);
            }
            // A release between the attempt and this line left its wake-up behind.
            self.shared.released.notified().await;
        }
    }
}

/// A place among those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LockedBuffer {
    /// The value. Whoever copies it answers for the copy.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: this buffer owns the run, and the slice borrows the buffer.
        let run = self
            .shared
            .mapping
            .as_ref()
            .map(|mapping| unsafe { mapping.bytes_of(&self.run) });
        run.and_then(|bytes| bytes.get(..self.length))
            .unwrap_or_default()
    }
}

impl Drop for LockedBuffer {
    fn drop(&mut self) {
        if let Some(mapping) = &self.shared.mapping {
            // SAFETY: this buffer owns the run until it is given back below, and no slice of it
            // can outlive the buffer.
            unsafe { mapping.bytes_mut(&self.run) }.zeroize();
        }
        self.shared.slots().give_back(&self.run);
        self.shared.released.notify_one();
    }
}

impl fmt::Debug for LockedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedBuffer")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

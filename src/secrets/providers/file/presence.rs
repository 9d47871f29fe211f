//! Whether a file is there, asked so that a file system that hangs holds nobody for long.
//!
//! Apart from reading because it answers within moments or not at all: it is asked for lists of
//! models, by whoever makes one, on threads that serve other calls too. It never opens a file.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use crate::secrets::providers::Presence;

/// A local file system answers in microseconds; a list may wait this long for one that does not.
const DEADLINE: Duration = Duration::from_millis(250);

/// How many questions may hang at once. Beyond that nothing is asked, so that a mount that is gone
/// gathers no threads and costs no more time.
const MOST_HANGING: usize = 4;

/// Asks file systems, each question on a thread of its own.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// Shared with each question under way, and so their count.
    asking: Arc<()>,
}

impl Probe {
    /// What `exists` says, if it says it in time.
    pub(super) fn ask(
        &self,
        exists: impl FnOnce() -> io::Result<bool> + Send + 'static,
    ) -> Presence {
        if Arc::strong_count(&self.asking) > MOST_HANGING {
            return Presence::Unknown;
        }
        let (asking, (tell, told)) = (Arc::clone(&self.asking), mpsc::channel());
        let question = move || {
            let found = exists();
            drop(asking);
            // Nobody may listen any more.
            let _ = tell.send(found);
        };
        if thread::Builder::new().spawn(question).is_err() {
            return Presence::Unknown;
        }
        match told.recv_timeout(DEADLINE) {
            Ok(Ok(true)) => Presence::Bound,
            Ok(Ok(false)) => Presence::Absent,
            Ok(Err(_)) | Err(_) => Presence::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Instant,
    };

    use super::*;

    #[test]
    fn a_file_is_there_or_not_or_nobody_can_tell() {
        let probe = Probe::default();
        assert_eq!(probe.ask(|| Ok(true)), Presence::Bound);
        assert_eq!(probe.ask(|| Ok(false)), Presence::Absent);
        let forbidden = || Err(io::ErrorKind::PermissionDenied.into());
        assert_eq!(probe.ask(forbidden), Presence::Unknown);
    }

    #[test]
    fn a_file_system_that_hangs_costs_little_and_then_nothing() {
        let (probe, asked) = (Probe::default(), Arc::new(AtomicUsize::new(0)));
        let started = Instant::now();
        let hanging: Vec<_> = (0..100)
            .map(|_| {
                let (answer, hangs) = mpsc::channel();
                let asked = Arc::clone(&asked);
                let exists = move || {
                    asked.fetch_add(1, Ordering::SeqCst);
                    hangs.recv().map_err(io::Error::other)
                };
                assert_eq!(probe.ask(exists), Presence::Unknown);
                answer
            })
            .collect();
        assert_eq!(asked.load(Ordering::SeqCst), MOST_HANGING);
        assert!(started.elapsed() < DEADLINE * 20, "{:?}", started.elapsed());

        // Once it answers again it is asked again.
        drop(hanging);
        while probe.ask(|| Ok(true)) != Presence::Bound {
            thread::yield_now();
        }
    }
}

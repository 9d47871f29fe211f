//! The file sink itself: finds the file, adds each batch to it, closes it when it is full.
//!
//! Every batch goes the same way: lock, see whether the path still leads to this file, take in
//! what others wrote, write all lines with one call, force them to the disk, unlock. So the chain
//! is one however many processes write to it, and a batch is in the file whole or not at all.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    FileSettings, Fsync, SigningKey,
    journal::{self, Journal},
    rotation,
    signer::Signer,
};
use crate::audit::{Chain, Record, Sink, SinkError};

/// How long a batch may wait for other processes: less than a record may take.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Keeps records in a file.
pub struct FileSink {
    path: PathBuf,
    settings: FileSettings,
    /// `None` until the first batch, and while the file cannot be opened.
    journal: Option<Journal>,
    /// The chain of the file that was here before, for the first line of the next.
    carried: Option<Chain>,
    /// That half lines were cut off; written with the next batch.
    healed: Vec<Record>,
    /// Since when records are written that were not forced to the disk.
    unsynced: Option<Instant>,
    /// Whether the last attempt to close a full file failed: told once.
    cannot_rotate: bool,
    signer: Option<Signer>,
    lock_patience: Duration,
}

impl FileSink {
    /// A sink whose relative paths begin in `folder`. `key` fetches the key that signs
    /// checkpoints; it is only asked if the settings want any. No file is opened yet.
    ///
    /// # Errors
    /// The thread that signs checkpoints cannot be started.
    pub fn new(settings: FileSettings, folder: &Path, key: SigningKey) -> io::Result<Self> {
        let checkpoints = settings.checkpoints.as_ref();
        let signer = checkpoints.map(|checkpoints| {
            let path = folder.join(&checkpoints.path);
            Signer::start(checkpoints, path, key)
        });
        Ok(Self {
            path: folder.join(&settings.path),
            settings,
            journal: None,
            carried: None,
            healed: Vec::new(),
            unsynced: None,
            cannot_rotate: false,
            signer: signer.transpose()?,
            lock_patience: LOCK_PATIENCE,
        })
    }

    /// The file that the path leads to, locked, with the chain up to its end.
    fn settle(&mut self, until: Instant) -> Result<Journal, SinkError> {
        loop {
            let mut journal = match self.journal.take() {
                Some(journal) => journal,
                None => Journal::open(&self.path)?,
            };
            match self.settle_on(&mut journal, until) {
                Ok(true) => return Ok(journal),
                // Closed by another process, or moved away: what it ended in goes on in the next.
                Ok(false) => self.carried = journal.last_known().or(self.carried),
                Err(error) => {
                    journal.unlock();
                    self.journal = Some(journal);
                    return Err(error);
                }
            }
            if Instant::now() >= until {
                let path = self.path.display();
                return Err(SinkError(format!("{path} is replaced again and again")));
            }
        }
    }

    fn settle_on(&mut self, journal: &mut Journal, until: Instant) -> Result<bool, SinkError> {
        journal.lock(until)?;
        if !journal.is_in_place()? {
            return Ok(false);
        }
        if let Some(healed) = journal.catch_up()? {
            tracing::warn!(
                path = %self.path.display(),
                bytes = healed.count,
                "the audit file ended in an unfinished line, which was cut off"
            );
            self.healed.push(healed);
        }
        if journal.chain().is_none() {
            // Since this process last looked, others may have closed more than one file, and a
            // file that was moved away is not among the closed ones: the further end counts.
            let ends = [self.carried, self.end_of_last_closed()?];
            let end = ends.into_iter().flatten().max_by_key(Chain::sequence);
            journal.begin_at(end.unwrap_or_default());
            if self.settings.fsync != Fsync::Never {
                let synced = rotation::sync_folder(&self.path);
                synced.map_err(|error| journal::failed("create", &self.path, &error))?;
            }
        }
        self.carried = None;
        Ok(true)
    }

    /// Where the chain of the closed files ends.
    fn end_of_last_closed(&self) -> Result<Option<Chain>, SinkError> {
        let closed = rotation::closed_files(&self.path);
        let closed = closed
            .map_err(|error| journal::failed("look for closed files beside", &self.path, &error))?;
        let Some(last) = closed.last() else {
            return Ok(None);
        };
        let opened = File::open(&last.path).and_then(|file| {
            let length = file.metadata()?.len();
            Ok((file, length))
        });
        let (file, length) = opened.map_err(|error| journal::failed("read", &last.path, &error))?;
        let (_, chain) = journal::end_of(&file, &last.path, length)?;
        Ok(chain)
    }

    fn is_full(&self, journal: &Journal) -> Result<bool, SinkError> {
        if journal.length() == 0 {
            return Ok(false);
        }
        if journal.length() >= self.settings.rotate_bytes {
            return Ok(true);
        }
        let Some(longest) = self.settings.rotate_after else {
            return Ok(false);
        };
        let age = Timestamp::now().duration_since(journal.begun()?.time);
        Ok(Duration::try_from(age).is_ok_and(|age| age >= longest))
    }

    /// Closes the full file `journal`, if that is possible: records matter more than file sizes.
    fn rotate(&mut self, journal: &Journal) -> bool {
        let result = journal.begun().and_then(|begun| {
            let closed = rotation::closed_name(&self.path, begun.time, begun.sequence);
            if self.settings.fsync != Fsync::Never {
                journal.sync()?;
            }
            rotation::close(&self.path, &closed)
                .map_err(|error| journal::failed("close", &self.path, &error))
        });
        if let Err(error) = &result
            && !self.cannot_rotate
        {
            tracing::error!(%error, "a full audit file is written on");
        }
        self.cannot_rotate = result.is_err();
        if let (Ok(()), Some(keep)) = (&result, self.settings.keep)
            && let Err(error) = rotation::prune(&self.path, keep)
        {
            tracing::error!(
                path = %self.path.display(), %error,
                "closed audit files that are not to be kept cannot be deleted"
            );
        }
        result.is_ok()
    }

    fn append(&mut self, journal: &mut Journal, batch: &[Arc<Record>]) -> Result<(), SinkError> {
        let mut chain = journal.chain().unwrap_or_default();
        let instance = batch.first().and_then(|record| record.instance.as_ref());
        let healed = self.healed.iter().map(|record| {
            let mut record = record.clone();
            record.instance = instance.cloned();
            Arc::new(record)
        });
        let records: Vec<_> = healed.chain(batch.iter().cloned()).collect();
        let lines = chain.seal_all(&records);
        let lines = lines.map_err(|error| SinkError(error.to_string()))?;
        let is_synced = self.settings.fsync == Fsync::Always;
        journal.append(lines.as_bytes(), chain, is_synced)?;
        self.healed.clear();
        if !is_synced {
            self.unsynced.get_or_insert_with(Instant::now);
        }
        if let Some(signer) = &mut self.signer {
            signer.note(chain, records.len() as u64);
        }
        Ok(())
    }

    /// Forces to the disk what is not there yet.
    fn sync(&mut self) {
        let Some(journal) = self.journal.as_ref().filter(|_| self.unsynced.is_some()) else {
            return;
        };
        match journal.sync() {
            Ok(()) => self.unsynced = None,
            Err(error) => {
                tracing::error!(%error, "audit records that were kept may not be on the disk");
                // Not sooner than after the interval again.
                self.unsynced = Some(Instant::now());
            }
        }
    }
}

impl Sink for FileSink {
    fn name(&self) -> &'static str {
        "file"
    }

    fn write(&mut self, batch: &[Arc<Record>]) -> Result<(), SinkError> {
        let until = Instant::now() + self.lock_patience;
        let mut journal = self.settle(until)?;
        // A file that cannot be looked at in this way can still be written to.
        if self.is_full(&journal).unwrap_or(true) && self.rotate(&journal) {
            self.journal = Some(journal);
            journal = self.settle(until)?;
        }
        let result = self.append(&mut journal, batch);
        journal.unlock();
        self.journal = Some(journal);
        result
    }

    fn tend(&mut self) -> Option<Duration> {
        let mut next = None;
        if let (Fsync::Every(interval), Some(since)) = (self.settings.fsync, self.unsynced) {
            let mut left = interval.saturating_sub(since.elapsed());
            if left.is_zero() {
                self.sync();
                left = interval;
            }
            next = self.unsynced.map(|_| left);
        }
        if self.signer.as_ref().is_some_and(Signer::is_due) {
            self.sync();
            if let Some(signer) = &mut self.signer {
                signer.hand_over();
            }
        }
        let due = self.signer.as_ref().and_then(Signer::left);
        next.into_iter().chain(due).min()
    }

    fn close(&mut self) {
        if self.settings.fsync != Fsync::Never {
            self.sync();
        }
        if let Some(signer) = self.signer.take() {
            signer.close();
        }
    }
}

#[cfg(test)]
mod tests;

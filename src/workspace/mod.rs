//! The workspace: the files that tools may read, and no other.
//!
//! A path leads to a file below one of the configured roots, or nowhere: it is followed by the
//! system call that refuses to leave a folder (openat2's `RESOLVE_BENEATH`, or the same by steps
//! where there is none), so that neither `..` nor a link gets out, even while both are being
//! changed. What was opened is what is judged and read. It is read once, before anybody judges the
//! call, and what was judged is what is sent.

mod config;
mod find;

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

pub use self::config::WorkspaceSettings;
use self::find::{Found, find};

/// A file system that hangs (a network mount) must not hold a call for ever.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a call waits for others to give room back.
const PATIENCE: Duration = Duration::from_secs(30);
/// Calls that read at the same time; others wait. Each holds a thread and some open files.
const TURNS: usize = 8;
/// What all calls hold of files at the same time, in KiB; others wait until there is room.
const ROOM_KIB: u32 = 128 * 1024;
/// The most that one call may read, in bytes.
pub const MAX_CALL_BYTES: u64 = 16 * 1024 * 1024;

/// The folders that may be read. Built once; shared.
pub struct Workspace {
    roots: Arc<[PathBuf]>,
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// Files that were read for one call. While they live they take up room.
#[derive(Debug)]
pub struct ReadFiles {
    /// In the order in which they were asked for.
    pub files: Vec<ReadFile>,
    /// Its room, to be kept as long as what was read.
    pub room: Room,
}

/// One file.
#[derive(Debug)]
pub struct ReadFile {
    /// Its path below its root.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Room for files that were read.
#[derive(Debug)]
pub struct Room(#[expect(dead_code, reason = "held for its end")] OwnedSemaphorePermit);

/// Why files cannot be read. `Display` is for the client, and begins behind the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No root is configured.
    #[error(
        "cannot be read: no folder is open to tools; the operator names some under \
         `workspace.roots`"
    )]
    NoRoots,
    /// It is below no root.
    #[error("is not in the workspace; only files below the folders of `workspace.roots` are read")]
    Outside,
    /// Nothing is there.
    #[error("is not there; write its path from a folder of the workspace, or the whole path")]
    Absent,
    /// The system forbids it, or the path leads out of the workspace.
    #[error("may not be read, or is a link that leads out of the workspace")]
    Forbidden,
    /// A folder, a pipe, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Too large, alone or with the others.
    #[error("is too large, alone or with the others of this call; send a smaller one")]
    TooLarge,
    /// Other calls hold as many files as may be held.
    #[error("must wait until other calls end; try again in a moment")]
    Busy,
    /// The disk failed, or was too slow, or the file changed while it was read.
    #[error("could not be read whole; try again, or ask the operator")]
    Failed,
}

/// A file that cannot be read, by its place among those asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableFile {
    /// Its place.
    pub index: usize,
    /// Why.
    pub why: Unreadable,
}

impl Workspace {
    /// The workspace of `settings`; relative roots start at `config_dir`. Does no I/O.
    #[must_use]
    pub fn new(settings: &WorkspaceSettings, config_dir: Option<&Path>) -> Self {
        let whole = |root: &PathBuf| match config_dir {
            Some(folder) => folder.join(root),
            None => root.clone(),
        };
        Self {
            roots: settings.roots.iter().map(whole).collect(),
            turns: Arc::new(Semaphore::new(TURNS)),
            room: Arc::new(Semaphore::new(ROOM_KIB as usize)),
        }
    }

    /// The roots, and whether each is a folder that can be read now.
    #[must_use]
    pub fn roots(&self) -> Vec<(&Path, bool)> {
        let is_folder = |root: &Path| std::fs::read_dir(root).is_ok();
        let roots = self.roots.iter().map(PathBuf::as_path);
        roots.map(|root| (root, is_folder(root))).collect()
    }

    /// Reads the files at `paths`, each of at most `most` bytes.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub async fn read(&self, paths: Vec<String>, most: u64) -> Result<ReadFiles, UnreadableFile> {
        let refused = |index, why| UnreadableFile { index, why };
        let failed = move |index| refused(index, Unreadable::Failed);
        let busy = refused(0, Unreadable::Busy);
        let turn = timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| busy)?.map_err(|_| failed(0))?;
        let roots = Arc::clone(&self.roots);
        // The turn goes along: a thread that hangs keeps it.
        let finding = spawn_blocking(move || (find_all(&roots, &paths, most), turn));
        let (found, turn) = in_time(finding).await.ok_or(failed(0))?;
        let found = found?;
        let bytes: u64 = found.iter().map(|found| found.size).sum();
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(ROOM_KIB);
        let room = timeout(PATIENCE, Arc::clone(&self.room).acquire_many_owned(kib)).await;
        let room = Room(room.map_err(|_| busy)?.map_err(|_| failed(0))?);
        let reading = spawn_blocking(move || {
            let _turn = turn;
            let read = found.into_iter().enumerate();
            read.map(|(index, found)| read_whole(found).map_err(|_| failed(index)))
                .collect::<Result<_, _>>()
        });
        let files = in_time(reading).await.ok_or(failed(0))??;
        Ok(ReadFiles { files, room })
    }
}

async fn in_time<T>(work: tokio::task::JoinHandle<T>) -> Option<T> {
    timeout(DEADLINE, work).await.ok()?.ok()
}

fn find_all(roots: &[PathBuf], paths: &[String], most: u64) -> Result<Vec<Found>, UnreadableFile> {
    let mut left = MAX_CALL_BYTES;
    let mut all = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        let found = find(roots, path).and_then(|found| {
            left = left.checked_sub(found.size).ok_or(Unreadable::TooLarge)?;
            (found.size <= most)
                .then_some(found)
                .ok_or(Unreadable::TooLarge)
        });
        all.push(found.map_err(|why| UnreadableFile { index, why })?);
    }
    Ok(all)
}

/// Reads as much as there was when it was found; a file that is longer or shorter by now is half
/// of two.
fn read_whole(found: Found) -> io::Result<ReadFile> {
    let size = usize::try_from(found.size).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(size + 1);
    found.file.take(found.size + 1).read_to_end(&mut bytes)?;
    if bytes.len() != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(ReadFile {
        path: found.path,
        bytes,
    })
}

#[cfg(test)]
mod tests;

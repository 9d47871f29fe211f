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
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

pub use self::config::WorkspaceSettings;
use self::find::{Found, Root, candidates, find};

/// A file system that hangs (a network mount) must not hold a call for ever.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a call waits for others to give room back.
const PATIENCE: Duration = Duration::from_secs(30);
/// Calls that read at the same time; others wait. Each holds a thread and some open files.
const TURNS: usize = 8;
/// The most that one call may read, in bytes.
pub const MAX_CALL_BYTES: u64 = 16 * 1024 * 1024;
/// A file is held in a call's arguments and in its request, in base64, and in between.
const COPIES: u64 = 4;
/// What all calls hold of files at the same time, all copies counted, in KiB; others wait.
const ROOM_KIB: u32 = 512 * 1024;

/// The folders that may be read. Built once; shared.
pub struct Workspace {
    roots: Arc<[Root]>,
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// What was read for one call, with the room that it takes up while it lives.
#[derive(Debug)]
pub struct ReadFiles<T> {
    /// What became of each, in the order in which they were asked for.
    pub files: Vec<T>,
    /// Its room, to be kept as long as what was read.
    pub room: Room,
}

/// One file.
#[derive(Debug)]
pub struct ReadFile {
    /// Its root as configuration writes it, and its real path below.
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
    #[error(
        "is not there; write its path below a folder of the workspace, without that folder's own \
         name, or the whole path"
    )]
    Absent,
    /// The system forbids it, or the path leads out of the workspace.
    #[error("may not be read, or its path leads out of the workspace")]
    Forbidden,
    /// A folder, a pipe, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Too large, alone or with the others.
    #[error("is too large: at most 5 MiB, and 16 MiB with the others of this call")]
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
        let root = |name: &std::path::PathBuf| Root {
            name: name.clone(),
            place: config_dir.map_or_else(|| name.clone(), |folder| folder.join(name)),
        };
        Self {
            roots: settings.roots.iter().map(root).collect(),
            turns: Arc::new(Semaphore::new(TURNS)),
            room: Arc::new(Semaphore::new(ROOM_KIB as usize)),
        }
    }

    /// The roots, and whether each is a folder that can be read now.
    #[must_use]
    pub fn roots(&self) -> Vec<(&Path, bool)> {
        let is_folder = |root: &Path| std::fs::read_dir(root).is_ok();
        let roots = self.roots.iter().map(|root| root.place.as_path());
        roots.map(|root| (root, is_folder(root))).collect()
    }

    /// What a file at `path` would be called, by the text alone: one name for each root that it may
    /// be below.
    #[must_use]
    pub fn candidates(&self, path: &str) -> Vec<String> {
        candidates(&self.roots, path)
    }

    /// Reads the files at `paths`, each of at most `most` bytes, and makes of each what `take` makes
    /// of it, on a thread for such work.
    ///
    /// # Errors
    /// The first that cannot be read, or of which nothing can be made.
    pub async fn read<T, E>(
        &self,
        paths: Vec<String>,
        most: u64,
        take: impl Fn(usize, ReadFile) -> Result<T, E> + Send + 'static,
    ) -> Result<ReadFiles<T>, E>
    where
        T: Send + 'static,
        E: From<UnreadableFile> + Send + 'static,
    {
        let refused = |why| E::from(UnreadableFile { index: 0, why });
        // As much as the files may have, until it is known what they have; and before a turn is
        // taken, so that nobody waits with one.
        let bytes = MAX_CALL_BYTES.min(most.saturating_mul(paths.len() as u64));
        let room = timeout(
            PATIENCE,
            Arc::clone(&self.room).acquire_many_owned(kib(bytes)),
        )
        .await;
        let room = room.map_err(|_| refused(Unreadable::Busy))?;
        let mut room = room.map_err(|_| refused(Unreadable::Failed))?;
        let turn = timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| refused(Unreadable::Busy))?;
        let turn = turn.map_err(|_| refused(Unreadable::Failed))?;
        let roots = Arc::clone(&self.roots);
        // Turn and room go along: a thread that hangs keeps them.
        let reading = spawn_blocking(move || {
            let (files, bytes) = read_all(&roots, &paths, most, take)?;
            drop(turn);
            let spare = room.num_permits().saturating_sub(kib(bytes) as usize);
            drop(room.split(spare));
            let room = Room(room);
            Ok(ReadFiles { files, room })
        });
        match timeout(DEADLINE, reading).await {
            Ok(Ok(read)) => read,
            _ => Err(refused(Unreadable::Failed)),
        }
    }
}

/// The room for so many bytes.
fn kib(bytes: u64) -> u32 {
    let kib = bytes.saturating_mul(COPIES).div_ceil(1024);
    u32::try_from(kib).unwrap_or(ROOM_KIB).min(ROOM_KIB)
}

fn read_all<T, E: From<UnreadableFile>>(
    roots: &[Root],
    paths: &[String],
    most: u64,
    take: impl Fn(usize, ReadFile) -> Result<T, E>,
) -> Result<(Vec<T>, u64), E> {
    let mut bytes = 0;
    let mut files = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        let refused = |why| UnreadableFile { index, why };
        let found = find(roots, path).map_err(refused)?;
        bytes += found.size;
        if found.size > most || bytes > MAX_CALL_BYTES {
            return Err(refused(Unreadable::TooLarge).into());
        }
        let file = read_whole(found).map_err(|_| refused(Unreadable::Failed))?;
        files.push(take(index, file)?);
    }
    Ok((files, bytes))
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

//! Closed files: how they are named, found again and, if the settings say so, deleted.
//!
//! A closed file stands beside the open one: `audit.jsonl` becomes
//! `audit-20260131T235959Z-000000000042.jsonl`, after the time and the sequence of its first
//! record, so that names sort as records do. Nothing here touches a file that is not so named.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

/// A closed file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::audit) struct Closed {
    /// Of its first record.
    pub(in crate::audit) sequence: u64,
    pub(in crate::audit) path: PathBuf,
}

/// The name that the file at `path` is closed under.
pub(super) fn closed_name(path: &Path, begun: Timestamp, sequence: u64) -> PathBuf {
    let (stem, extension) = parts(path);
    let begun = begun.strftime("%Y%m%dT%H%M%SZ");
    path.with_file_name(format!("{stem}-{begun}-{sequence:012}{extension}"))
}

/// Gives the file at `path` the name `closed`, and forces that to the disk.
pub(super) fn close(path: &Path, closed: &Path) -> io::Result<()> {
    // Nobody else writes to the folder, and whoever of us does holds the lock.
    if fs::symlink_metadata(closed).is_ok() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    fs::rename(path, closed)?;
    sync_folder(path)
}

/// Forces to the disk under which name the file at `path` is found.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// The files that were closed at `path`, oldest first.
pub(in crate::audit) fn closed_files(path: &Path) -> io::Result<Vec<Closed>> {
    let (stem, extension) = parts(path);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let sequence = name
            .to_str()
            .and_then(|name| sequence_in(name, &stem, &extension));
        if let Some(sequence) = sequence.filter(|_| entry.file_type().is_ok_and(|t| t.is_file())) {
            found.push(Closed {
                sequence,
                path: entry.path(),
            });
        }
    }
    found.sort_by_key(|closed| closed.sequence);
    Ok(found)
}

/// Deletes the oldest closed files until `keep` are left.
pub(super) fn prune(path: &Path, keep: u32) -> io::Result<()> {
    let closed = closed_files(path)?;
    let surplus = closed
        .len()
        .saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
    for closed in closed.iter().take(surplus) {
        fs::remove_file(&closed.path)?;
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn parts(path: &Path) -> (String, String) {
    let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let extension = path
        .extension()
        .map(|_| format!(".{}", text(path.extension())));
    (text(path.file_stem()), extension.unwrap_or_default())
}

fn sequence_in(name: &str, stem: &str, extension: &str) -> Option<u64> {
    let middle = name
        .strip_prefix(stem)?
        .strip_prefix('-')?
        .strip_suffix(extension)?;
    let (time, sequence) = middle.split_once('-')?;
    let (date, time) = time.strip_suffix('Z')?.split_once('T')?;
    let digits =
        |text: &str, count| text.len() >= count && text.bytes().all(|b| b.is_ascii_digit());
    let is_ours = digits(date, 8) && digits(time, 6) && digits(sequence, 12);
    is_ours.then(|| sequence.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_files_are_named_after_their_first_record_and_found_by_that_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let begun = "2026-01-31T23:59:59.5Z".parse().unwrap();
        let names = [1, 42, 1_000_000_000_000].map(|sequence| closed_name(&path, begun, sequence));
        assert_eq!(
            names[1],
            folder
                .path()
                .join("audit-20260131T235959Z-000000000042.jsonl")
        );
        for name in &names {
            fs::write(name, "").unwrap();
        }
        for other in [
            "audit.jsonl",
            "audit-1.jsonl",
            "audit-20260131T235959Z-000000000043.jsonl.gz",
            "audit-20260131T235959Z-42.jsonl",
            "audit-2026-01-31-000000000042.jsonl",
            "other-20260131T235959Z-000000000042.jsonl",
            "audit-20260131T235959Z-00000000004x.jsonl",
        ] {
            fs::write(folder.path().join(other), "").unwrap();
        }
        fs::create_dir(closed_name(&path, begun, 7)).unwrap();
        let found = closed_files(&path).unwrap();
        let found: Vec<_> = found.into_iter().map(|closed| closed.path).collect();
        assert_eq!(found, names);

        prune(&path, 2).unwrap();
        assert!(!names[0].exists() && names[1].exists() && names[2].exists());
        prune(&path, 2).unwrap();
        assert_eq!(closed_files(&path).unwrap().len(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 10);
    }

    #[test]
    fn no_file_is_closed_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let [path, closed] = ["audit.jsonl", "closed"].map(|name| folder.path().join(name));
        fs::write(&path, "new").unwrap();
        fs::write(&closed, "old").unwrap();
        assert!(close(&path, &closed).is_err());
        assert_eq!(fs::read_to_string(&closed).unwrap(), "old");
        fs::remove_file(&closed).unwrap();
        close(&path, &closed).unwrap();
        assert_eq!(fs::read_to_string(&closed).unwrap(), "new");
    }
}

//! From a path to an open file below a root.

use std::{
    fs::File,
    io,
    path::{Component, Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt as _},
};

use super::Unreadable;

/// A folder that may be read.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// As configuration writes it.
    pub(super) name: PathBuf,
    /// Where it is.
    pub(super) place: PathBuf,
}

/// An open file.
pub(super) struct Found {
    pub(super) file: File,
    pub(super) size: u64,
    /// The root as configuration writes it, and the file's real path below.
    pub(super) path: String,
}

/// The file that `path` leads to: below the root that it begins with, or else below the first root
/// that has it.
pub(super) fn find(roots: &[Root], path: &str) -> Result<Found, Unreadable> {
    if roots.is_empty() {
        return Err(Unreadable::NoRoots);
    }
    let path = Path::new(path);
    let mut why = if path.is_absolute() {
        Unreadable::Outside
    } else {
        Unreadable::Absent
    };
    for root in roots {
        let Some(below) = below(root, path) else {
            continue;
        };
        match open(root, &below) {
            Ok(found) => return Ok(found),
            Err(Unreadable::Absent) => why = Unreadable::Absent,
            Err(other) => return Err(other),
        }
    }
    Err(why)
}

/// What `path` would be called below each root where it could be meant, if it is there or not: by
/// its text alone.
pub(super) fn candidates(roots: &[Root], path: &str) -> Vec<String> {
    let named = |root: &Root| Some(told(root, &plain(&below(root, Path::new(path))?)));
    roots.iter().filter_map(named).collect()
}

/// The part of `path` that is below `root`, as it is written or as its links lead.
fn below(root: &Root, path: &Path) -> Option<PathBuf> {
    if path.is_relative() {
        return Some(path.to_owned());
    }
    let real = || root.place.canonicalize().ok();
    let rest = path.strip_prefix(&root.place).map(Path::to_owned).ok();
    rest.or_else(|| path.strip_prefix(real()?).map(Path::to_owned).ok())
}

/// Without `.`, and without `..` as far as there is something before it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for step in path.components() {
        match step {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            step => plain.push(step),
        }
    }
    plain
}

fn told(root: &Root, below: &Path) -> String {
    plain(&root.name).join(below).to_string_lossy().into_owned()
}

fn open(root: &Root, below: &Path) -> Result<Found, Unreadable> {
    let folder = Dir::open_ambient_dir(&root.place, ambient_authority()).map_err(|error| {
        let root = root.place.display();
        tracing::warn!(%root, %error, "a folder of the workspace cannot be read");
        Unreadable::Absent
    })?;
    if below.as_os_str().is_empty() {
        return Err(Unreadable::NotAFile);
    }
    // Judged and recorded is where the file is, not one of the many ways to write that. A last step
    // that became a link meanwhile is not followed.
    let real = folder.canonicalize(below).map_err(|error| why(&error))?;
    let mut options = OpenOptions::new();
    // O_NONBLOCK: opening a pipe without a writer would wait for one.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
    let file = folder.open_with(&real, options.read(true).custom_flags(flags));
    let file = file.map_err(|error| why(&error))?;
    let metadata = file.metadata().map_err(|error| why(&error))?;
    if !metadata.is_file() {
        return Err(Unreadable::NotAFile);
    }
    Ok(Found {
        size: metadata.len(),
        file: file.into_std(),
        path: told(root, &real),
    })
}

fn why(error: &io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unreadable::Absent,
        io::ErrorKind::PermissionDenied => Unreadable::Forbidden,
        _ if error.raw_os_error() == Some(libc::ELOOP) => Unreadable::Forbidden,
        // A NUL in it, or a name that is too long.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => Unreadable::Absent,
        _ if error.raw_os_error() == Some(libc::ENXIO) => Unreadable::NotAFile,
        _ => Unreadable::Failed,
    }
}

//! From a path to an open file below a root.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt as _},
};

use super::Unreadable;

/// An open file.
pub(super) struct Found {
    pub(super) file: File,
    pub(super) size: u64,
    /// Its path below its root.
    pub(super) path: String,
}

/// The file that `path` leads to: below the root that it begins with, or else below the first root
/// that has it.
pub(super) fn find(roots: &[PathBuf], path: &str) -> Result<Found, Unreadable> {
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

/// The part of `path` that is below `root`, as it is written or as its links lead.
fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    if path.is_relative() {
        return Some(path.to_owned());
    }
    let real = || root.canonicalize().ok();
    let rest = path.strip_prefix(root).map(Path::to_owned).ok();
    rest.or_else(|| path.strip_prefix(real()?).map(Path::to_owned).ok())
}

fn open(root: &Path, below: &Path) -> Result<Found, Unreadable> {
    let folder = Dir::open_ambient_dir(root, ambient_authority()).map_err(|error| {
        tracing::warn!(root = %root.display(), %error, "a folder of the workspace cannot be read");
        Unreadable::Absent
    })?;
    if below.as_os_str().is_empty() {
        return Err(Unreadable::NotAFile);
    }
    let mut options = OpenOptions::new();
    // O_NONBLOCK: opening a pipe without a writer would wait for one.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = folder.open_with(below, options.read(true).custom_flags(flags));
    let file = file.map_err(|error| why(&error))?;
    let metadata = file.metadata().map_err(|error| why(&error))?;
    if !metadata.is_file() {
        return Err(Unreadable::NotAFile);
    }
    Ok(Found {
        size: metadata.len(),
        file: file.into_std(),
        path: below.to_string_lossy().into_owned(),
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

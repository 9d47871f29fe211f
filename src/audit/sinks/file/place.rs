//! Opens the files that are written, if nobody else could write, replace or redirect them.
//!
//! Whoever may write to the file can hide what they did by rewriting it, and whoever may write to
//! its folder can put another in its place; neither is told from the other by a hash.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::audit::SinkError;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("the folder {} does not exist: create it, with mode 0700", .0.display())]
    NoFolder(PathBuf),
    #[error("{} is a link, and could lead elsewhere tomorrow: name the file itself", .0.display())]
    Link(PathBuf),
    #[error("{} is not a regular file", .0.display())]
    NoFile(PathBuf),
    #[error("{} may be written by its group or by others: chmod go-w it", .0.display())]
    Writable(PathBuf),
    #[error("{} belongs to another user", .0.display())]
    ForeignOwner(PathBuf),
}

impl From<Unfit> for SinkError {
    fn from(unfit: Unfit) -> Self {
        Self(unfit.to_string())
    }
}

/// Opens `path` to be appended to and read; creates it (mode 0600) if nothing is there.
pub(super) fn open(path: &Path) -> Result<File, Unfit> {
    let io_error = |path: &Path, error| Unfit::Io {
        path: path.to_owned(),
        error,
    };
    let us = nix::unistd::geteuid().as_raw();
    let given = std::path::absolute(path).map_err(|error| io_error(path, error))?;
    let folder = given.parent().unwrap_or(&given);
    let real = folder.canonicalize().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Unfit::NoFolder(folder.to_owned())
        } else {
            io_error(folder, error)
        }
    })?;
    for folder in folder.ancestors().chain(real.ancestors()) {
        let metadata = folder.metadata().map_err(|error| io_error(folder, error))?;
        // In a folder with the sticky bit, such as `/tmp`, others can add files but not replace
        // ours. That suffices further up; beside the file they could add a closed one.
        let is_own = folder == given.parent().unwrap_or(&given) || folder == real;
        let is_sticky = metadata.mode() & 0o1000 != 0;
        judge(folder, &metadata, us, is_sticky && !is_own)?;
    }
    // O_NONBLOCK: opening a pipe must not wait for its other end.
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(flags);
    let file = options
        .open(&given)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => Unfit::Link(given.clone()),
            _ => io_error(&given, error),
        })?;
    let metadata = file.metadata().map_err(|error| io_error(&given, error))?;
    if !metadata.is_file() {
        return Err(Unfit::NoFile(given));
    }
    judge(&given, &metadata, us, false)?;
    Ok(file)
}

fn judge(path: &Path, metadata: &Metadata, us: u32, may_be_shared: bool) -> Result<(), Unfit> {
    if metadata.mode() & 0o022 != 0 && !may_be_shared {
        return Err(Unfit::Writable(path.to_owned()));
    }
    if metadata.uid() != us && metadata.uid() != 0 {
        return Err(Unfit::ForeignOwner(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        open(path).unwrap_err().to_string()
    }

    #[test]
    fn a_new_file_is_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder.path().join("a.jsonl")).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        fs::write(&path, "").unwrap();
        for mode in [0o620, 0o602] {
            chmod(&path, mode);
            assert!(refusal(&path).contains("chmod go-w"), "{mode:o}");
        }
        chmod(&path, 0o644);
        assert!(open(&path).is_ok());
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused_even_if_sticky() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        fs::create_dir(&own).unwrap();
        for mode in [0o770, 0o707, 0o1777] {
            chmod(&own, mode);
            assert!(
                refusal(&own.join("a.jsonl")).contains("own may be written"),
                "{mode:o}"
            );
            assert!(!own.join("a.jsonl").exists());
        }
        chmod(&own, 0o700);
        chmod(folder.path(), 0o1777);
        assert!(open(&own.join("a.jsonl")).is_ok());
        chmod(folder.path(), 0o777);
        assert!(refusal(&own.join("a.jsonl")).contains("may be written"));
    }

    #[test]
    fn what_is_no_file_of_its_own_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("real"), "").unwrap();
        symlink(path("real"), path("link")).unwrap();
        assert!(refusal(&path("link")).contains("is a link"));
        symlink(path("absent"), path("dangling")).unwrap();
        assert!(refusal(&path("dangling")).contains("is a link"));
        assert!(!path("absent").exists());
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(refusal(&path("pipe")).contains("not a regular file"));
        assert!(refusal(&path("none/a.jsonl")).contains("none does not exist"));
        assert!(open(folder.path()).is_err());
    }
}

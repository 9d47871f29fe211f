//! Reads a file that holds a secret: a key, a Vault token, an AppRole's secret id.
//!
//! One way in for all of them, because each is worth as much as the key it leads to. What is
//! checked is the file that was opened, not its name; nothing here can hang on a pipe, read
//! without bound or leave a copy behind.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use zeroize::Zeroizing;

use super::{ErrorKind, ProviderError};

/// A file system that hangs (a network mount) must not hold a call for ever.
const DEADLINE: Duration = Duration::from_secs(5);

/// Folders in which a readable file is expected: what a container's runtime mounts there is in
/// memory and seen only by the container.
const SECRET_MOUNTS: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// A secret file's bytes, wiped with the last holder, and when they were written.
pub(super) struct Contents {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    #[cfg_attr(
        not(feature = "file"),
        expect(dead_code, reason = "Vault's logins have no age to tell")
    )]
    pub(super) modified_at: Option<SystemTime>,
}

/// Reads the file at `path`, up to `max_bytes`. `None`: there is no such file.
///
/// `credentials` is systemd's folder for this service, where a file's group bits belong to an
/// access list and say nothing about other users.
pub(super) async fn read(
    path: PathBuf,
    credentials: Option<PathBuf>,
    max_bytes: usize,
) -> Result<Option<Contents>, ProviderError> {
    let place = path.display().to_string();
    let reading =
        tokio::task::spawn_blocking(move || read_now(&path, credentials.as_deref(), max_bytes));
    match tokio::time::timeout(DEADLINE, reading).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(ProviderError::new(
            ErrorKind::ServerFailed,
            format!("reading the file {place} was abandoned"),
        )),
        Err(_) => Err(ProviderError::new(
            ErrorKind::TimedOut,
            format!(
                "the file {place} could not be read within {} s",
                DEADLINE.as_secs()
            ),
        )),
    }
}

fn read_now(
    path: &Path,
    credentials: Option<&Path>,
    max_bytes: usize,
) -> Result<Option<Contents>, ProviderError> {
    // Opening what the links lead to, rather than the link, ties the place that is judged to the
    // file that is read. A mount may rotate in between, so it is tried again once.
    for last_try in [false, true] {
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return absent(path),
            Err(error) => return Err(refused(path, &error)),
        };
        match open(&real) {
            Ok(file) => return read_open(path, &real, file, credentials, max_bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !last_try => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(refused(path, &error)),
        }
    }
    absent(path)
}

fn open(real: &Path) -> io::Result<File> {
    // O_NONBLOCK: opening a pipe without a writer would wait for one.
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags).open(real)
}

/// Nothing is there: a miss, unless a link is there that leads nowhere.
fn absent(path: &Path) -> Result<Option<Contents>, ProviderError> {
    if path
        .symlink_metadata()
        .is_ok_and(|found| found.is_symlink())
    {
        return Err(ProviderError::new(
            ErrorKind::Misconfigured,
            format!("{} is a link to a file that does not exist", path.display()),
        ));
    }
    Ok(None)
}

fn read_open(
    path: &Path,
    real: &Path,
    file: File,
    credentials: Option<&Path>,
    max_bytes: usize,
) -> Result<Contents, ProviderError> {
    let found = file.metadata().map_err(|error| refused(path, &error))?;
    if !found.is_file() {
        return Err(ProviderError::new(
            ErrorKind::Misconfigured,
            format!("{} is not a regular file", path.display()),
        ));
    }
    check_mode(path, found.mode(), || {
        is_secret_mount(real, &file, credentials)
    })?;
    let too_long = || {
        ProviderError::new(
            ErrorKind::Malformed,
            format!(
                "the file {} is longer than {max_bytes} bytes",
                path.display()
            ),
        )
    };
    if found.len() > max_bytes as u64 {
        return Err(too_long());
    }
    // One byte more than allowed, reserved at once: a vector that grows leaves its old self behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(max_bytes + 1));
    let mut filled = 0;
    bytes.resize(max_bytes + 1, 0);
    let mut file = file;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(refused(path, &error)),
        }
    }
    if filled > max_bytes {
        return Err(too_long());
    }
    bytes.truncate(filled);
    Ok(Contents {
        bytes,
        modified_at: found.modified().ok(),
    })
}

/// Refuses a file that others may read or change. On a secret mount reading is expected, since
/// nobody else sees the mount; changing is not.
fn check_mode(
    path: &Path,
    mode: u32,
    on_secret_mount: impl FnOnce() -> bool,
) -> Result<(), ProviderError> {
    let unsafe_bits = mode & 0o077;
    if unsafe_bits == 0 || (unsafe_bits & 0o022 == 0 && on_secret_mount()) {
        return Ok(());
    }
    Err(ProviderError::new(
        ErrorKind::UnsafePermissions,
        format!(
            "the file {} may be read or changed by its group or by others (mode {:04o}); \
             `chmod 600` it",
            path.display(),
            mode & 0o7777
        ),
    ))
}

fn is_secret_mount(real: &Path, file: &File, credentials: Option<&Path>) -> bool {
    let below = |folder: &Path| {
        folder
            .canonicalize()
            .is_ok_and(|folder| real != folder && real.starts_with(&folder))
    };
    credentials.is_some_and(below)
        || (SECRET_MOUNTS.iter().any(|mount| below(Path::new(mount))) && is_in_memory(file))
}

/// Whether a file lies on a tmpfs, which never reaches a disk of its own.
#[cfg(target_os = "linux")]
fn is_in_memory(file: &File) -> bool {
    use nix::sys::statfs;
    statfs::fstatfs(file).is_ok_and(|found| found.filesystem_type() == statfs::TMPFS_MAGIC)
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &File) -> bool {
    false
}

/// An error of the operating system, in our words.
fn refused(path: &Path, error: &io::Error) -> ProviderError {
    let place = path.display();
    let (kind, what) = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            (ErrorKind::UnsafePermissions, "may not be read by this user")
        }
        Some(libc::ELOOP) => (ErrorKind::Misconfigured, "leads through a circle of links"),
        Some(libc::ENOTDIR) => (
            ErrorKind::Misconfigured,
            "leads through something that is no folder",
        ),
        Some(libc::ENXIO | libc::ENODEV) => (ErrorKind::Misconfigured, "is not a regular file"),
        Some(libc::ENAMETOOLONG) => (ErrorKind::Misconfigured, "is too long a path"),
        _ => (ErrorKind::Unreachable, "could not be read"),
    };
    ProviderError::new(kind, format!("the file {place} {what}"))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn file_in(folder: &Path, mode: u32, bytes: &[u8]) -> PathBuf {
        let path = folder.join("secret");
        // A file that may not be written is replaced, not written to.
        drop(fs::remove_file(&path));
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn kind(path: &Path) -> ErrorKind {
        read_now(path, None, 64).err().unwrap().kind
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644] {
            assert_eq!(
                kind(&file_in(folder.path(), mode, b"k")),
                ErrorKind::UnsafePermissions
            );
        }
        for mode in [0o600, 0o400] {
            let contents = read_now(&file_in(folder.path(), mode, b"key"), None, 64)
                .unwrap()
                .unwrap();
            assert_eq!(&contents.bytes[..], b"key");
            fs::remove_file(folder.path().join("secret")).unwrap();
        }
    }

    #[test]
    fn in_systemds_folder_a_readable_file_is_served_and_a_writable_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = file_in(folder.path(), 0o440, b"key");
        assert!(read_now(&path, Some(folder.path()), 64).unwrap().is_some());
        assert_eq!(kind(&path), ErrorKind::UnsafePermissions);
        let path = file_in(folder.path(), 0o460, b"key");
        assert!(read_now(&path, Some(folder.path()), 64).is_err());
        // A link in that folder does not lend its place to a file elsewhere.
        let elsewhere = tempfile::tempdir().unwrap();
        let outside = file_in(elsewhere.path(), 0o644, b"key");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(outside, &link).unwrap();
        assert!(read_now(&link, Some(folder.path()), 64).is_err());
    }

    #[test]
    fn absent_is_a_miss_but_a_link_to_nothing_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            read_now(&folder.path().join("none/such"), None, 64)
                .unwrap()
                .is_none()
        );
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert_eq!(kind(&link), ErrorKind::Misconfigured);
    }

    #[test]
    fn a_pipe_a_folder_and_a_path_through_a_file_do_not_hang() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let through = file_in(folder.path(), 0o600, b"k").join("deeper");
        for path in [pipe.as_path(), folder.path(), &through] {
            assert_eq!(kind(path), ErrorKind::Misconfigured, "{}", path.display());
        }
    }

    #[test]
    fn the_length_is_bounded_to_the_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = file_in(folder.path(), 0o600, &[b'x'; 64]);
        assert!(read_now(&path, None, 64).unwrap().is_some());
        assert_eq!(
            kind(&file_in(folder.path(), 0o600, &[b'x'; 65])),
            ErrorKind::Malformed
        );
    }
}

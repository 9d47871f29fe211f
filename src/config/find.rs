//! Finds the configuration file and reads it, if nobody else could have written it.
//!
//! Clients start stdio servers inside whatever repository is open, so the working directory is
//! never looked at, also not through a relative variable. And whoever can write the file decides
//! where keys are sent, so the file and every folder above it must belong to us or to root.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::settings::Environment;

/// The largest configuration that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024;
/// The largest file that a configuration names, in bytes: ten thousand rules fit.
const MAX_ATTACHED_BYTES: u64 = 8 * 1024 * 1024;

const SYSTEM_FILE: &str = "/etc/keyward/config.yaml";

/// A configuration file that was found, by whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether somebody named it, so that its absence is an error.
    pub named: bool,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file that was named does not exist.
    #[error("the file does not exist")]
    Absent,
    /// The operating system said no.
    #[error("the file cannot be read: {}", .0.kind())]
    Io(io::Error),
    /// A folder, a pipe, a device.
    #[error("this is not a regular file")]
    NotAFile,
    /// Nobody writes this much.
    #[error("the file is larger than {} KiB", .0 / 1024)]
    TooLarge(u64),
    /// It is not UTF-8.
    #[error("the file is not UTF-8")]
    NotText,
    /// Group or others may write the file or a folder above it.
    #[error("{} may be written by group or others, who could redirect keys", shown(.0))]
    Writable(PathBuf),
    /// The file or a folder above it belongs to another user.
    #[error("{} belongs to another user, who could redirect keys", shown(.0))]
    ForeignOwner(PathBuf),
    /// `KEYWARD_CONFIG` would be looked up in the working directory.
    #[error("`KEYWARD_CONFIG` is not an absolute path")]
    Relative,
}

impl Unreadable {
    /// Whether the words of this reason name `path` already.
    pub(super) fn names(&self, path: &Path) -> bool {
        match self {
            Self::Writable(named) | Self::ForeignOwner(named) => {
                std::path::absolute(path).is_ok_and(|path| path == *named)
            }
            _ => false,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Absent => "correct the path: `--config` or `KEYWARD_CONFIG`, which may be left \
                             out, or where the configuration names the file"
                .to_owned(),
            Self::Io(_) => "check that the file and the folders above it can be read by the user \
                            that runs Keyward"
                .to_owned(),
            Self::NotAFile => "name a regular file".to_owned(),
            Self::TooLarge(_) => "check that this is the right file".to_owned(),
            Self::NotText => "save it as UTF-8; this may be another kind of file".to_owned(),
            Self::Writable(path) => format!("chmod go-w {}", shown(path)),
            Self::ForeignOwner(path) => {
                format!(
                    "make it belong to the user that runs Keyward, or to root: {}",
                    shown(path)
                )
            }
            Self::Relative => "write the whole path: a relative one would be looked up in the \
                               working directory, which may be a stranger's repository"
                .to_owned(),
        }
    }
}

/// A path for a message: nothing in it can control a terminal.
pub(super) fn shown(path: &Path) -> String {
    path.display()
        .to_string()
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// The file that is in force: `--config`, else `KEYWARD_CONFIG`, else the user's, else the
/// system's, else none.
///
/// # Errors
/// A relative `KEYWARD_CONFIG`, or a well-known place that cannot be looked at: passing over it
/// could switch off what it demands.
pub fn find(
    cli_path: Option<&Path>,
    environment: &dyn Environment,
) -> Result<Option<ConfigFile>, (PathBuf, Unreadable)> {
    if let Some(path) = cli_path {
        return Ok(Some(ConfigFile {
            path: path.to_owned(),
            named: true,
        }));
    }
    let variable = |name: &str| environment.var(name).filter(|value| !value.is_empty());
    if let Some(path) = variable("KEYWARD_CONFIG").map(PathBuf::from) {
        if path.is_relative() {
            return Err((path, Unreadable::Relative));
        }
        return Ok(Some(ConfigFile { path, named: true }));
    }
    // The XDG specification has relative paths ignored; here it is also a matter of safety.
    let absolute = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let users = absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|folder| folder.join("keyward/config.yaml"));
    for path in users.into_iter().chain([PathBuf::from(SYSTEM_FILE)]) {
        match std::fs::symlink_metadata(&path) {
            Ok(_) => return Ok(Some(ConfigFile { path, named: false })),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err((path, Unreadable::Io(error))),
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Reads a file that only we or root can have written.
///
/// # Errors
/// See [`Unreadable`].
pub fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    read_up_to(path, MAX_BYTES)
}

/// Reads a file that the configuration names, under the same terms.
///
/// # Errors
/// See [`Unreadable`].
pub(super) fn read_attached(path: &Path) -> Result<Vec<u8>, Unreadable> {
    read_up_to(path, MAX_ATTACHED_BYTES)
}

fn read_up_to(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Unreadable> {
    // Opened first and judged by its descriptor, so that what is judged is what is read; without
    // blocking, since a pipe would wait for a writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
        .map_err(|error| {
            if is_absent(&error) {
                Unreadable::Absent
            } else {
                Unreadable::Io(error)
            }
        })?;
    let metadata = file.metadata().map_err(Unreadable::Io)?;
    if !metadata.is_file() {
        return Err(Unreadable::NotAFile);
    }
    let us = nix::unistd::geteuid().as_raw();
    judge(path, &metadata, us)?;
    // The name that was given and the one it leads to: a link is only as safe as its folder.
    let given = std::path::absolute(path).map_err(Unreadable::Io)?;
    let real = path.canonicalize().map_err(Unreadable::Io)?;
    for folder in given.ancestors().skip(1).chain(real.ancestors().skip(1)) {
        let metadata = folder.metadata().map_err(Unreadable::Io)?;
        judge(folder, &metadata, us)?;
    }
    read_capped(file, max_bytes)
}

fn read_capped(file: File, max_bytes: u64) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    file.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(Unreadable::Io)?;
    if bytes.len() as u64 > max_bytes {
        return Err(Unreadable::TooLarge(max_bytes));
    }
    Ok(bytes)
}

/// Refuses what somebody else may write or replace. In a folder with the sticky bit, such as
/// `/tmp`, others can add but not replace.
fn judge(path: &Path, metadata: &Metadata, us: u32) -> Result<(), Unreadable> {
    let sticky_folder = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    if metadata.mode() & 0o022 != 0 && !sticky_folder {
        return Err(Unreadable::Writable(path.to_owned()));
    }
    if metadata.uid() != us && metadata.uid() != 0 {
        return Err(Unreadable::ForeignOwner(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        chmod(folder.path(), 0o700);
        folder
    }

    #[test]
    fn the_flag_wins_over_the_variable_and_the_variable_over_the_users_file() {
        let home = folder();
        let users = home.path().join(".config/keyward/config.yaml");
        fs::create_dir_all(users.parent().unwrap()).unwrap();
        fs::write(&users, "").unwrap();
        let home = home.path().to_str().unwrap();
        let both = variables(&[("HOME", home), ("KEYWARD_CONFIG", "/x/y.yaml")]);
        let flag = find(Some(Path::new("a.yaml")), &both).unwrap().unwrap();
        assert_eq!(
            flag,
            ConfigFile {
                path: "a.yaml".into(),
                named: true
            }
        );
        let variable = find(None, &both).unwrap().unwrap();
        assert_eq!(
            variable,
            ConfigFile {
                path: "/x/y.yaml".into(),
                named: true
            }
        );
        let only_home = find(None, &variables(&[("HOME", home)])).unwrap().unwrap();
        assert_eq!(
            only_home,
            ConfigFile {
                path: users,
                named: false
            }
        );
        let xdg = variables(&[("HOME", home), ("XDG_CONFIG_HOME", "/nowhere")]);
        assert!(
            find(None, &xdg)
                .unwrap()
                .is_none_or(|file| file.path == Path::new(SYSTEM_FILE))
        );
    }

    #[test]
    fn no_variable_leads_into_the_working_directory() {
        let relative = find(None, &variables(&[("KEYWARD_CONFIG", "config.yaml")]));
        assert!(matches!(relative, Err((_, Unreadable::Relative))));
        for name in ["XDG_CONFIG_HOME", "HOME"] {
            // `config/keyward.yaml` exists below the working directory of this test.
            let found = find(None, &variables(&[(name, ".")])).unwrap();
            assert!(
                found.is_none_or(|file| file.path == Path::new(SYSTEM_FILE)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_file_that_group_or_others_may_write_is_refused() {
        let folder = folder();
        let path = folder.path().join("config.yaml");
        fs::write(&path, "log: {}\n").unwrap();
        for mode in [0o600, 0o644, 0o400] {
            chmod(&path, mode);
            assert_eq!(read(&path).unwrap(), b"log: {}\n");
        }
        for mode in [0o660, 0o602, 0o666] {
            chmod(&path, mode);
            assert!(
                matches!(read(&path), Err(Unreadable::Writable(_))),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused_unless_sticky() {
        let folder = folder();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let path = inner.join("config.yaml");
        fs::write(&path, "").unwrap();
        chmod(&path, 0o600);
        chmod(&inner, 0o777);
        assert!(matches!(read(&path), Err(Unreadable::Writable(at)) if at == inner));
        chmod(&inner, 0o1777);
        assert!(read(&path).is_ok());
    }

    #[test]
    fn a_link_is_judged_by_its_folder_and_by_what_it_leads_to() {
        let folder = folder();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, "").unwrap();
        chmod(&path, 0o600);
        let link = open.join("link.yaml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        chmod(&open, 0o755);
        assert!(read(&link).is_ok());
        chmod(&open, 0o775);
        assert!(matches!(read(&link), Err(Unreadable::Writable(_))));
    }

    #[test]
    fn another_users_file_is_refused() {
        let folder = folder();
        let path = folder.path().join("config.yaml");
        fs::write(&path, "").unwrap();
        chmod(&path, 0o600);
        let metadata = fs::metadata(&path).unwrap();
        assert!(judge(&path, &metadata, metadata.uid()).is_ok());
        let another = judge(&path, &metadata, metadata.uid() + 1);
        // Root's files are trusted whoever asks.
        assert_eq!(another.is_ok(), metadata.uid() == 0);
        if metadata.uid() == 0 {
            std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
            assert!(matches!(read(&path), Err(Unreadable::ForeignOwner(_))));
        }
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused_without_waiting() {
        let folder = folder();
        assert!(matches!(read(folder.path()), Err(Unreadable::NotAFile)));
        assert!(matches!(
            read(&folder.path().join("absent")),
            Err(Unreadable::Absent)
        ));
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(matches!(read(&pipe), Err(Unreadable::NotAFile)));
        let large = folder.path().join("large");
        fs::write(&large, vec![b'#'; 256 * 1024 + 1]).unwrap();
        chmod(&large, 0o600);
        assert!(matches!(read(&large), Err(Unreadable::TooLarge(_))));
    }
}

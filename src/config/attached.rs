//! Files that the configuration names: policy files and rules of redaction.
//!
//! Whoever writes them decides what is allowed and what leaves, so they are read under the same
//! terms as the configuration itself, and their mistakes are told in the same way.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{
    find::{self, Unreadable},
    load::{Read, invalid, located, read_document},
    report::ConfigError,
    tree::Parsed,
};
use crate::settings::Problem;

/// The most files that one pattern may name.
const MAX_FILES: usize = 1_000;

/// A file with settings that the configuration names.
pub struct Attached<T> {
    /// What it says.
    pub value: T,
    /// Where it is.
    pub path: PathBuf,
    source: String,
    parsed: Parsed,
}

/// Why files that were named are not there.
#[derive(Debug, thiserror::Error)]
pub enum NoFiles {
    /// The pattern is none.
    #[error("this is no pattern for files")]
    Pattern,
    /// A folder that may hold some cannot be read.
    #[error("a folder on the way cannot be read")]
    Hidden,
    /// Nothing is there.
    #[error("no file is there")]
    None,
    /// More than anybody writes.
    #[error("more than {MAX_FILES} files are there")]
    TooMany,
}

/// What tests of rules end in: a pattern passes over them.
const TESTS: &str = ".test.yaml";

/// The files that `pattern` names, in the order of their names, without tests of rules
/// (`*.test.yaml`). A relative one starts at `dir`.
///
/// # Errors
/// See [`NoFiles`]: rules that are not found must not count as no rules.
pub fn named(pattern: &str, dir: Option<&Path>) -> Result<Vec<PathBuf>, NoFiles> {
    let whole = dir.map_or_else(|| PathBuf::from(pattern), |dir| dir.join(pattern));
    let is_pattern = pattern.contains(['*', '?', '[']);
    if !is_pattern {
        return Ok(vec![whole]);
    }
    // The folder is taken as it is written: only the pattern itself has wildcards.
    let root = dir.map(|dir| glob::Pattern::escape(&dir.display().to_string()));
    let whole = root.map_or_else(
        || pattern.to_owned(),
        |root| match pattern.strip_prefix('/') {
            Some(_) => pattern.to_owned(),
            None => format!("{root}/{pattern}"),
        },
    );
    let found = glob::glob(&whole).map_err(|_| NoFiles::Pattern)?;
    let is_test = |file: &PathBuf| file.to_string_lossy().ends_with(TESTS);
    let files = found.filter(|file| !file.as_ref().is_ok_and(is_test));
    let files: Result<Vec<PathBuf>, _> = files.take(MAX_FILES + 1).collect();
    let files = files.map_err(|_| NoFiles::Hidden)?;
    match files.len() {
        0 => Err(NoFiles::None),
        count if count > MAX_FILES => Err(NoFiles::TooMany),
        _ => Ok(files),
    }
}

/// Reads a file with settings.
///
/// # Errors
/// [`ConfigError`], as for the configuration itself.
pub fn attached<T: Default + DeserializeOwned>(path: &Path) -> Result<Attached<T>, ConfigError> {
    let bytes = find::read_attached(path).map_err(|reason| unreadable(path, reason))?;
    let Read {
        value,
        source,
        parsed,
    } = read_document(&bytes, Some(path))?;
    Ok(Attached {
        value,
        path: path.to_owned(),
        source,
        parsed,
    })
}

/// Reads a file whose form another room knows.
///
/// # Errors
/// If it cannot be read, or is not UTF-8.
pub fn attached_text(path: &Path) -> Result<String, ConfigError> {
    let bytes = find::read_attached(path).map_err(|reason| unreadable(path, reason))?;
    String::from_utf8(bytes).map_err(|_| unreadable(path, Unreadable::NotText))
}

fn unreadable(path: &Path, reason: Unreadable) -> ConfigError {
    ConfigError::Unreadable {
        path: path.to_owned(),
        reason,
    }
}

impl<T> Attached<T> {
    /// Shows problems that a room found at their places in the file.
    #[must_use]
    pub fn explain(&self, problems: Vec<Problem>) -> ConfigError {
        let findings = located(&self.parsed, problems);
        invalid(Some(&self.path), &self.source, &self.parsed, findings)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_pattern_names_files_in_order_and_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yaml", "a.test.yaml", "c.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let dir = Some(folder.path());
        let names = |pattern| -> Vec<String> {
            let files = named(pattern, dir).unwrap();
            files
                .iter()
                .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("*.yaml"), ["a.yaml", "b.yaml"]);
        assert_eq!(names("absent.yaml"), ["absent.yaml"]);
        assert!(matches!(named("*.toml", dir), Err(NoFiles::None)));
        assert!(matches!(named("[", dir), Err(NoFiles::Pattern)));
    }

    #[test]
    fn a_file_that_others_could_have_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.yaml");
        fs::write(&file, "a: 1\n").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(attached_text(&file).is_err());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(attached_text(&file).unwrap(), "a: 1\n");
        fs::write(&file, b"\xff").unwrap();
        assert!(attached_text(&file).is_err());
    }
}

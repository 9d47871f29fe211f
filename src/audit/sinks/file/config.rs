//! Settings of the file sink.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::settings::{Problem, duration, optional_duration};

/// A file that is closed earlier would be one of thousands.
const SMALLEST_ROTATION: u64 = 64 * 1024;
const SHORTEST_ROTATION: Duration = Duration::from_secs(60);

/// The settings of `file`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// The file. Its folder must exist, and nobody else may write to either.
    pub path: PathBuf,
    /// Once the file has this many bytes, it is closed and another begun. Default: 104857600
    /// (100 MiB).
    #[serde(default = "rotate_bytes")]
    pub rotate_bytes: u64,
    /// Once the file's first record is this old, the file is closed and another begun. Default:
    /// never.
    #[serde(default, deserialize_with = "optional_duration")]
    pub rotate_after: Option<Duration>,
    /// How many closed files are kept; older ones are deleted. Default: all.
    #[serde(default)]
    pub keep: Option<u32>,
    /// When records are forced to the disk. Default: `always`.
    #[serde(default)]
    pub fsync: Fsync,
    /// Signed statements of how far the file had come. Default: none.
    #[serde(default)]
    pub checkpoints: Option<CheckpointSettings>,
}

/// When records are forced to the disk. A record survives the end of the process in any case; this
/// is about a crash of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Before a record counts as kept. Records that wait at the same time share one sync.
    #[default]
    Always,
    /// At this interval at most: a crash of the machine may lose what was kept since.
    Every(#[serde(deserialize_with = "duration")] Duration),
    /// When the operating system likes to.
    Never,
}

/// The settings of `checkpoints`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSettings {
    /// The file that checkpoints are appended to. It proves something only where those who may
    /// write the audit may not write it.
    pub path: PathBuf,
    /// The name of this audit in its checkpoints, which is also the name of the key: a URL without
    /// a scheme, such as `keyward.example/audit`.
    pub origin: String,
    /// The secret that signs: an Ed25519 key as a PKCS#8 PEM, or its 32-byte seed in base64.
    pub signing_secret: String,
    /// How often, if there are new records. Default: `5m`.
    #[serde(default = "every", deserialize_with = "duration")]
    pub every: Duration,
    /// After how many new records at the latest. Default: 1000.
    #[serde(default = "records")]
    pub records: u64,
}

fn rotate_bytes() -> u64 {
    100 * 1024 * 1024
}

fn every() -> Duration {
    Duration::from_secs(300)
}

fn records() -> u64 {
    1000
}

impl FileSettings {
    /// Adds what is wrong beyond the form of each value; `above` is the path of these settings.
    pub(in crate::audit) fn validate(&self, above: &[&str], problems: &mut Vec<Problem>) {
        let mut refuse = |keys: &[&str], message: &str, help: &str| {
            let path = above.iter().chain(keys).copied();
            problems.push(Problem::at(path, message, help));
        };
        if self.path.file_name().is_none() {
            refuse(
                &["path"],
                "this names no file",
                "write a path such as `audit.jsonl`",
            );
        }
        if self.rotate_bytes < SMALLEST_ROTATION {
            refuse(
                &["rotate_bytes"],
                "files this small would be too many",
                "write at least 65536, or leave it out for 100 MiB",
            );
        }
        if self
            .rotate_after
            .is_some_and(|after| after < SHORTEST_ROTATION)
        {
            refuse(
                &["rotate_after"],
                "files this short-lived would be too many",
                "write at least `1m`, or leave it out: then only the size counts",
            );
        }
        if self.keep == Some(0) {
            refuse(
                &["keep"],
                "every file would be deleted as soon as it is full",
                "write how many full files to keep, or leave it out to keep all",
            );
        }
        if self.fsync == Fsync::Every(Duration::ZERO) {
            refuse(
                &["fsync", "every"],
                "an interval cannot be nothing",
                "write `fsync: always` to have each record on disk before its call goes on",
            );
        }
        let Some(checkpoints) = &self.checkpoints else {
            return;
        };
        let mut refuse = |key, message, help| refuse(&["checkpoints", key], message, help);
        if checkpoints.path.file_name().is_none() {
            refuse(
                "path",
                "this names no file",
                "write a path such as `checkpoints.txt`",
            );
        }
        // c2sp.org/signed-note: what the name of a key may be.
        let unfit = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if checkpoints.origin.is_empty() || checkpoints.origin.contains(unfit) {
            refuse(
                "origin",
                "this cannot be the name of a key in a signed note",
                "write a URL without a scheme, spaces and `+`, such as `keyward.example/audit`",
            );
        }
        if checkpoints.every.is_zero() {
            refuse(
                "every",
                "an interval cannot be nothing",
                "write one such as `5m`",
            );
        }
        if checkpoints.records == 0 {
            refuse(
                "records",
                "no checkpoint can follow no record",
                "write after how many records a checkpoint is due at the latest, such as 1000",
            );
        }
    }

    /// The files that are written, each with the keys that lead to it.
    pub(in crate::audit) fn paths(&self) -> impl Iterator<Item = (&'static [&'static str], &Path)> {
        let checkpoints = self.checkpoints.as_ref();
        let checkpoints = checkpoints.map(|checkpoints| checkpoints.path.as_path());
        let own: &'static [&'static str] = &["path"];
        let other: &'static [&'static str] = &["checkpoints", "path"];
        let paths = [(own, Some(self.path.as_path())), (other, checkpoints)];
        paths
            .into_iter()
            .filter_map(|(keys, path)| Some((keys, path?)))
    }
}

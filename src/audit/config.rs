//! Settings of the audit: where records go, and what happens when they cannot.
//!
//! The settings of each kind of sink stand beside that sink. Nothing here opens a file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::sinks::{FileSettings, HttpSinkSettings, OtlpSettings, StdoutSettings, SyslogSettings};
use crate::settings::{Problem, duration};

/// The section `audit:`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// What becomes of a call whose record no sink can keep. Default: `block`.
    pub on_failure: OnFailure,
    /// How long a record may take to be kept. Default: `5s`.
    #[serde(deserialize_with = "duration")]
    pub deadline: Duration,
    /// Where records are kept, all of them in each. At least one.
    pub sinks: Vec<SinkSettings>,
    /// The secret that keys the hashes of arguments. Absent: a key that is new at each start, so
    /// that hashes can be compared within one run only.
    pub hash_secret: Option<String>,
    /// Whether arguments are recorded in clear text too, redacted. Default: `false`.
    pub clear_arguments: bool,
}

/// What becomes of a call whose record no sink can keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is refused.
    #[default]
    Block,
    /// It goes on, and the log says so.
    Warn,
}

/// A place that keeps records, by its kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkSettings {
    /// A file of lines.
    File(FileSettings),
    /// Standard output, where it is not the transport.
    Stdout(StdoutSettings),
    /// A syslog daemon.
    Syslog(SyslogSettings),
    /// A collector of OpenTelemetry.
    Otlp(OtlpSettings),
    /// A server that takes lines by HTTP.
    Http(HttpSinkSettings),
}

impl OnFailure {
    /// As it is written.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Warn => "warn",
        }
    }
}

impl SinkSettings {
    /// The kind's name, as it is written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Stdout(_) => "stdout",
            Self::Syslog(_) => "syslog",
            Self::Otlp(_) => "otlp",
            Self::Http(_) => "http",
        }
    }

    /// The secret that it uses.
    fn secret(&self) -> Option<&str> {
        match self {
            Self::File(file) => {
                let checkpoints = file.checkpoints.as_ref();
                checkpoints.map(|checkpoints| checkpoints.signing_secret.as_str())
            }
            Self::Otlp(otlp) => otlp.token_secret.as_deref(),
            Self::Http(http) => http.token_secret.as_deref(),
            Self::Stdout(_) | Self::Syslog(_) => None,
        }
    }

    /// The same with relative paths starting at `dir`.
    #[must_use]
    pub fn starting_at(&self, dir: &Path) -> Self {
        let mut settings = self.clone();
        let place = |path: &mut PathBuf| *path = dir.join(&path);
        match &mut settings {
            Self::File(file) => {
                place(&mut file.path);
                if let Some(checkpoints) = &mut file.checkpoints {
                    place(&mut checkpoints.path);
                }
            }
            Self::Otlp(otlp) => otlp.ca_file.iter_mut().for_each(place),
            Self::Http(http) => http.ca_file.iter_mut().for_each(place),
            Self::Stdout(_) | Self::Syslog(_) => {}
        }
        settings
    }
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            on_failure: OnFailure::default(),
            deadline: Duration::from_secs(5),
            sinks: Vec::new(),
            hash_secret: None,
            clear_arguments: false,
        }
    }
}

impl AuditSettings {
    /// The names of the secrets that the audit uses.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let hash = self.hash_secret.as_deref().into_iter();
        hash.chain(self.sinks.iter().filter_map(SinkSettings::secret))
    }

    /// What is wrong beyond the form of each value. `stdout_is_free` is false where standard
    /// output is the transport.
    #[must_use]
    pub fn validate(&self, stdout_is_free: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.sinks.is_empty() {
            problems.push(Problem::new(
                "audit.sinks",
                "an audit needs a place that keeps its records, and none is named",
                "name one: `sinks: [ { file: { path: audit.jsonl } } ]`, or leave `audit` out",
            ));
        }
        if self.deadline.is_zero() {
            problems.push(Problem::new(
                "audit.deadline",
                "no record could be kept in no time",
                "write how long a call may wait for its record, such as `5s`",
            ));
        }
        let mut paths = Vec::new();
        for (index, sink) in self.sinks.iter().enumerate() {
            let index = index.to_string();
            match sink {
                SinkSettings::File(file) => {
                    let above = ["audit", "sinks", &index, "file"];
                    file.validate(&above, &mut problems);
                    for (keys, path) in file.paths() {
                        if paths.contains(&path) {
                            problems.push(Problem::at(
                                above.iter().chain(keys).copied(),
                                "this file is named twice",
                                "give each file one use",
                            ));
                        }
                        paths.push(path);
                    }
                }
                SinkSettings::Stdout(stdout) => {
                    problems.extend(stdout.validate(&["audit", "sinks", &index, "stdout"]));
                    if !stdout_is_free {
                        problems.push(Problem::at(
                            ["audit", "sinks", &index, "stdout"],
                            "standard output is the transport over stdio, and a record there would \
                             be read as an answer",
                            "name another place, or serve HTTP",
                        ));
                    }
                }
                SinkSettings::Syslog(syslog) => {
                    problems.extend(syslog.validate(&["audit", "sinks", &index, "syslog"]));
                }
                SinkSettings::Otlp(otlp) => {
                    problems.extend(otlp.validate(&["audit", "sinks", &index, "otlp"]));
                }
                SinkSettings::Http(http) => {
                    problems.extend(http.validate(&["audit", "sinks", &index, "http"]));
                }
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> AuditSettings {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn refused(yaml: &str) -> Vec<String> {
        let problems = read(yaml).validate(true);
        problems
            .iter()
            .map(|problem| problem.path.join("."))
            .collect()
    }

    #[test]
    fn a_file_is_all_that_an_audit_needs() {
        let settings = read("sinks: [ { file: { path: audit.jsonl } } ]");
        assert_eq!(settings.validate(true), []);
        assert_eq!(settings.on_failure, OnFailure::Block);
        assert_eq!(settings.deadline, Duration::from_secs(5));
        assert!(!settings.clear_arguments);
    }

    #[test]
    fn an_audit_that_keeps_nothing_is_refused() {
        assert_eq!(refused("{}"), ["audit.sinks"]);
        assert_eq!(
            refused("{ deadline: 0s, sinks: [ { file: { path: a.jsonl } } ] }"),
            ["audit.deadline"]
        );
    }

    #[test]
    fn every_setting_of_a_file_can_be_written() {
        let settings = read(
            "{ on_failure: warn, deadline: 2s, hash_secret: audit-hash, clear_arguments: true, \
             sinks: [ { file: { path: a.jsonl, rotate_bytes: 65536, rotate_after: 24h, keep: 30, \
             fsync: { every: 1s }, checkpoints: { path: b.txt, origin: x.example/audit, \
             signing_secret: audit-key, every: 1m, records: 10 } } } ] }",
        );
        assert_eq!(settings.validate(true), []);
        for fsync in ["always", "never", "{ every: 250ms }"] {
            let one = read(&format!(
                "sinks: [ {{ file: {{ path: a, fsync: {fsync} }} }} ]"
            ));
            assert_eq!(one.validate(true), [], "{fsync}");
        }
    }

    #[test]
    fn checkpoints_are_signed_every_five_minutes_and_every_thousand_records() {
        let settings = read(
            "sinks: [ { file: { path: a, checkpoints: { path: b, origin: o, signing_secret: s } } } ]",
        );
        let SinkSettings::File(file) = &settings.sinks[0] else {
            panic!("{settings:?}")
        };
        let checkpoints = file.checkpoints.as_ref().unwrap();
        assert_eq!(checkpoints.every, Duration::from_secs(300));
        assert_eq!(checkpoints.records, 1000);
    }

    #[test]
    fn settings_of_a_file_that_would_lose_or_mix_records_are_refused() {
        let file = |settings: &str| {
            refused(&format!(
                "sinks: [ {{ file: {{ path: a.jsonl, {settings} }} }} ]"
            ))
        };
        let at = |key: &str| [format!("audit.sinks.0.file.{key}")];
        assert_eq!(file("rotate_bytes: 1"), at("rotate_bytes"));
        assert_eq!(file("rotate_after: 1s"), at("rotate_after"));
        assert_eq!(file("keep: 0"), at("keep"));
        assert_eq!(file("fsync: { every: 0s }"), at("fsync.every"));
        let checkpoints = |settings: &str| {
            file(&format!(
                "checkpoints: {{ path: b.txt, signing_secret: s, origin: o, {settings} }}"
            ))
        };
        assert_eq!(checkpoints(""), Vec::<String>::new());
        assert_eq!(checkpoints("every: 0s"), at("checkpoints.every"));
        assert_eq!(checkpoints("records: 0"), at("checkpoints.records"));
        for origin in ["''", "a b", "a+b", "\"a\\nb\""] {
            assert_eq!(
                file(&format!(
                    "checkpoints: {{ path: b.txt, signing_secret: s, origin: {origin} }}"
                )),
                at("checkpoints.origin"),
                "{origin}"
            );
        }
        assert_eq!(
            file("checkpoints: { path: a.jsonl, signing_secret: s, origin: o }"),
            at("checkpoints.path")
        );
        assert_eq!(
            refused("sinks: [ { file: { path: a } }, { file: { path: a } } ]"),
            ["audit.sinks.1.file.path"]
        );
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        for wrong in [
            "{ sink: [] }",
            "{ sinks: [ { file: { path: a, mode: 0644 } } ] }",
            "{ sinks: [ { tape: { path: a } } ] }",
            "{ sinks: [ { file: {} } ] }",
            "{ on_failure: ignore }",
        ] {
            assert!(
                serde_saphyr::from_str::<AuditSettings>(wrong).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn standard_output_is_refused_where_it_is_the_transport() {
        let settings = read("sinks: [ { stdout: {} } ]");
        assert_eq!(settings.validate(true), []);
        let refused = settings.validate(false);
        assert_eq!(refused[0].path.join("."), "audit.sinks.0.stdout");
    }

    #[test]
    fn relative_paths_start_where_the_configuration_is() {
        let settings = read(
            "sinks: [ { file: { path: a.jsonl, checkpoints: { path: c, origin: o, signing_secret: \
             s } } }, { http: { url: 'https://a.example', ca_file: /ca.pem } } ]",
        );
        let placed: Vec<_> = settings
            .sinks
            .iter()
            .map(|s| s.starting_at(Path::new("/etc")))
            .collect();
        let SinkSettings::File(file) = &placed[0] else {
            panic!("{placed:?}")
        };
        assert_eq!(file.path, Path::new("/etc/a.jsonl"));
        assert_eq!(file.checkpoints.as_ref().unwrap().path, Path::new("/etc/c"));
        let SinkSettings::Http(http) = &placed[1] else {
            panic!("{placed:?}")
        };
        assert_eq!(http.ca_file.as_deref(), Some(Path::new("/ca.pem")));
        assert_eq!(settings.secrets().collect::<Vec<_>>(), ["s"]);
    }
}

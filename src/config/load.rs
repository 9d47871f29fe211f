//! From a file, flags and variables to the settings of every room, or to everything that is wrong.
//!
//! No room is asked to do anything here: loading does no I/O but reading the file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    Overrides,
    find::{self, Unreadable},
    pasted,
    report::{ConfigError, Finding, Invalid},
    shape,
    tree::{self, Parsed},
};
use crate::{
    audit::AuditSettings,
    guard::{policy::PolicySettings, redaction::RedactionSettings},
    models::{self, ModelsSettings},
    secrets::{SecretsSettings, memory::MemorySettings},
    server::ServerSettings,
    settings::{Environment, Problem},
    telemetry::LogSettings,
    workspace::WorkspaceSettings,
};

/// The whole configuration.
pub struct Config {
    /// How clients reach us.
    pub server: ServerSettings,
    /// What is logged.
    pub log: LogSettings,
    /// How the memory for keys is protected.
    pub memory: MemorySettings,
    /// Where keys are.
    pub secrets: SecretsSettings,
    /// Which models there are.
    pub models: ModelsSettings,
    /// Which calls may run, and what of their answers may be seen.
    pub policy: PolicySettings,
    /// What must not leave.
    pub redaction: RedactionSettings,
    /// What is kept of every call. Absent: nothing.
    pub audit: Option<AuditSettings>,
    /// Which files tools may read.
    pub workspace: WorkspaceSettings,
    /// The file that was read.
    pub path: Option<PathBuf>,
    /// The folder of that file: relative paths in it start here.
    pub dir: Option<PathBuf>,
    source: String,
}

// By hand: a value in it may be a pasted key.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The file's sections.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    server: ServerSettings,
    log: LogSettings,
    memory: MemorySettings,
    secrets: SecretsSettings,
    models: ModelsSettings,
    policy: PolicySettings,
    redaction: RedactionSettings,
    audit: Option<AuditSettings>,
    workspace: WorkspaceSettings,
}

/// Finds, reads and checks the configuration.
///
/// # Errors
/// [`ConfigError`], with every mistake that could be found at once.
pub fn load(
    cli_path: Option<&Path>,
    environment: &dyn Environment,
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let unreadable = |path: &Path, reason: Unreadable| ConfigError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let found =
        find::find(cli_path, environment).map_err(|(path, reason)| unreadable(&path, reason))?;
    let Some(file) = found else {
        return parse(b"", None, overrides);
    };
    let bytes = find::read(&file.path).map_err(|reason| unreadable(&file.path, reason))?;
    parse(&bytes, Some(&file.path), overrides)
}

/// Checks a configuration that was read from `path`.
///
/// # Errors
/// [`ConfigError::Invalid`].
pub fn parse(
    bytes: &[u8],
    path: Option<&Path>,
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let Read {
        value: document,
        source,
        parsed,
    } = read_document::<Document>(bytes, path)?;
    let mut config = Config {
        server: document.server,
        log: document.log,
        memory: document.memory,
        secrets: document.secrets,
        models: document.models,
        policy: document.policy,
        redaction: document.redaction,
        audit: document.audit,
        workspace: document.workspace,
        path: path.map(Path::to_owned),
        dir: path.and_then(folder),
        source,
    };
    overrides.apply(&mut config);
    let findings = located(&parsed, config.problems());
    if findings.is_empty() {
        Ok(config)
    } else {
        Err(invalid(path, &config.source, &parsed, findings))
    }
}

/// What a file says, and what is needed to show problems at their places in it.
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) source: String,
    pub(super) parsed: Parsed,
}

/// Reads a file's text as a `T`.
///
/// # Errors
/// [`ConfigError::Invalid`]; what only follows from a misfit is not told as a mistake of its own.
pub(super) fn read_document<T: Default + DeserializeOwned>(
    bytes: &[u8],
    path: Option<&Path>,
) -> Result<Read<T>, ConfigError> {
    let source = match std::str::from_utf8(bytes) {
        // Editors on Windows put a byte-order mark in front; it is no part of the text.
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => return Err(not_utf8(bytes, error.valid_up_to(), path)),
    };
    let mut parsed = tree::parse(source);
    let mut findings = std::mem::take(&mut parsed.findings);
    let value = match &parsed.root {
        // After a syntax error there is nothing that could be read with sense.
        None if !parsed.complete => None,
        None => Some(T::default()),
        Some(root) => {
            let pasted = pasted::refuse(root);
            let (value, misfits) = shape::settle::<T>(root);
            // Of one place, that a key stands there is the more urgent thing to say.
            findings.extend(
                misfits
                    .into_iter()
                    .filter(|misfit| !pasted.iter().any(|key| key.is_at_place_of(misfit))),
            );
            findings.extend(pasted);
            value
        }
    };
    match value {
        Some(value) if findings.is_empty() => Ok(Read {
            value,
            source: source.to_owned(),
            parsed,
        }),
        _ => Err(invalid(path, source, &parsed, findings)),
    }
}

impl Config {
    /// What is wrong beyond the form of single values, as far as the settings alone tell. The
    /// rooms that build something from their settings report theirs to [`Config::explain`].
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.server.validate();
        problems.extend(models::validate(&self.models));
        problems.extend(self.workspace.problems());
        if let Some(audit) = &self.audit {
            problems.extend(audit.validate(self.server.http.is_some()));
        }
        problems
    }

    /// SHA-256 of the file, in hexadecimal: which configuration is in force.
    #[must_use]
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(self.source.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Shows problems that a room found while it built something (secret providers, the broker,
    /// the models) at their places in the file.
    #[must_use]
    pub fn explain(&self, problems: Vec<Problem>) -> ConfigError {
        let parsed = tree::parse(&self.source);
        let findings = located(&parsed, problems);
        invalid(self.path.as_deref(), &self.source, &parsed, findings)
    }
}

/// The folder of a file, also where the file was named without one.
fn folder(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()?.parent().map(Path::to_owned)
}

pub(super) fn located(parsed: &Parsed, problems: Vec<Problem>) -> Vec<Finding> {
    let place = |problem: &Problem| parsed.root.as_ref()?.place(&problem.path);
    problems
        .into_iter()
        .map(|problem| {
            let span = place(&problem);
            Finding::of(problem, span)
        })
        .collect()
}

pub(super) fn invalid(
    path: Option<&Path>,
    source: &str,
    parsed: &Parsed,
    findings: Vec<Finding>,
) -> ConfigError {
    ConfigError::Invalid(Box::new(Invalid::new(path, source, parsed, findings)))
}

/// The text up to the first byte that is not UTF-8, none of it shown.
fn not_utf8(bytes: &[u8], valid: usize, path: Option<&Path>) -> ConfigError {
    let source = String::from_utf8_lossy(&bytes[..valid]);
    let at = source.chars().count();
    let parsed = Parsed {
        root: None,
        findings: Vec::new(),
        tokens: Vec::new(),
        complete: false,
    };
    let finding = Finding::at(
        at..at,
        "the file is not UTF-8 from here on",
        "save it as UTF-8; this may be another kind of file",
    );
    invalid(path, &source, &parsed, vec![finding])
}

//! What is told of a find: which rule, of what kind, where, and what was done. Never the text.

use std::{borrow::Cow, sync::Arc};

use super::settings::Action;

/// The most findings that are listed; the rest is counted.
const MAX_LISTED: usize = 256;

/// The most findings that are told in words.
const MAX_TOLD: usize = 10;

/// Which way a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To a model: prompts and files.
    ToModel,
    /// To the client: answers, errors, progress.
    ToClient,
    /// To the logs.
    Log,
    /// To the audit.
    Audit,
}

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// What opens something: a key, a token, a password.
    Secret,
    /// What tells of a person: an address, a number.
    Personal,
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 4] = [Self::ToModel, Self::ToClient, Self::Log, Self::Audit];

    /// As it is written in the configuration.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ToModel => "to_model",
            Self::ToClient => "to_client",
            Self::Log => "log",
            Self::Audit => "audit",
        }
    }
}

impl Class {
    /// One word, for the audit; the configuration's word.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Personal => "personal",
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id; `live-key` for a key that this process handed out, `sensitive` for a field
    /// that a schema marks, `limit` for a text that cost too much to look through.
    pub rule: Arc<str>,
    /// Of what kind.
    pub class: Class,
    /// What was done.
    pub action: Action,
    /// Where in a document: a JSON pointer (RFC 6901) to the string, or to the value whose name it
    /// was. Names in it that gave cause are themselves redacted. Empty for a text.
    pub pointer: String,
}

/// What was found in a document or a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The first findings, at most 256.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub unlisted: usize,
    /// Whether it must not leave. What is blocked is redacted as well, so that a caller who goes on
    /// regardless gives nothing away.
    pub blocked: bool,
    /// Whether anything was replaced.
    pub changed: bool,
}

/// A text that may leave, unless its report says that it is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted<'t> {
    /// The text, without what was to be redacted.
    pub text: Cow<'t, str>,
    /// What was found.
    pub report: Report,
}

impl Report {
    /// What was found where, in one line for people: rules and places, never what was found.
    #[must_use]
    pub fn told(&self) -> String {
        let place = |finding: &Finding| match finding.pointer.as_str() {
            "" => finding.rule.to_string(),
            pointer => format!("{} at `{pointer}`", finding.rule),
        };
        let mut told: Vec<String> = self.findings.iter().take(MAX_TOLD).map(place).collect();
        told.dedup();
        let more = self.findings.len().saturating_sub(MAX_TOLD) + self.unlisted;
        if more > 0 {
            told.push(format!("{more} more"));
        }
        told.join(", ")
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.blocked |= finding.action == Action::Block;
        if self.findings.len() < MAX_LISTED {
            self.findings.push(finding);
        } else {
            self.unlisted += 1;
        }
    }
}

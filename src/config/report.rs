//! What is told about a configuration that is refused: for people with the place in the file, for
//! programs as JSON.
//!
//! This is the one way out of the room for anything that was read. The source passes `mask`; every
//! sentence passes `scrub`, so that a room which repeats a value by mistake still leaks nothing.

use std::{
    fmt,
    io::IsTerminal,
    ops::Range,
    path::{Path, PathBuf},
};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};
use serde_json::{Value, json};

use super::{
    find::{Unreadable, shown},
    mask, names,
    tree::Parsed,
};
use crate::settings::{Environment, Problem};

/// The most findings that are told at once.
const MOST: usize = 20;

/// What stands for something that is not shown.
const HIDDEN: &str = "***";

/// The exit codes of commands that read a configuration. They are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CheckExit {
    /// Valid.
    Valid = 0,
    /// Read, and refused for what it says.
    Invalid = 1,
    /// Not read: absent, not permitted, or others could have written it.
    Unreadable = 2,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file was not read.
    #[error("the configuration was not read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: Unreadable,
    },
    /// The file, a flag or a variable says what cannot be.
    #[error("the configuration is not valid")]
    Invalid(Box<Invalid>),
}

/// Everything that is wrong with a configuration, ready to be shown.
#[derive(Clone)]
pub struct Invalid {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What is wrong, in the order of the file, without any value.
    pub findings: Vec<Finding>,
    /// How many more were found than are kept.
    pub more: usize,
    masked: Vec<char>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key's path from the root; empty where there is no key.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    span: Option<Range<usize>>,
    shows_value: bool,
}

impl Finding {
    /// A finding at a place in the text.
    pub(super) fn at(
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
            help: help.into(),
            line: None,
            column: None,
            span: Some(span),
            shows_value: false,
        }
    }

    /// A key that stands in one map twice.
    pub(super) fn duplicate(span: Range<usize>, key: &str) -> Self {
        let message = if names::is_plain(key) {
            format!("`{key}` is written twice in this map")
        } else {
            "a key is written twice in this map".to_owned()
        };
        Self::at(span, message, "keep one of the two")
    }

    /// A room's problem, at its place if the text has one.
    pub(super) fn of(problem: Problem, span: Option<Range<usize>>) -> Self {
        let finding = Self::at(0..0, problem.message, problem.help).on(problem.path);
        Self { span, ..finding }
    }

    /// Whether both are about one place.
    pub(super) fn is_at_place_of(&self, other: &Self) -> bool {
        self.span == other.span
    }

    /// The same, about the key at `path`.
    pub(super) fn on(self, path: Vec<String>) -> Self {
        Self { path, ..self }
    }

    /// The same; the refused value may be seen if it is a plain word, a number or a duration.
    pub(super) fn showing_value(self) -> Self {
        Self {
            shows_value: true,
            ..self
        }
    }
}

/// How a report is written for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colours.
    pub colour: bool,
}

impl Style {
    /// Colours only where `stream` is a terminal and `NO_COLOR` is unset or empty.
    #[must_use]
    pub fn for_stream(stream: &impl IsTerminal, environment: &dyn Environment) -> Self {
        let refused = environment
            .var("NO_COLOR")
            .is_some_and(|value| !value.is_empty());
        Self {
            colour: stream.is_terminal() && !refused,
        }
    }
}

// By hand: thousands of asterisks tell nobody anything.
impl fmt::Debug for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalid")
            .field("file", &self.file)
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

impl Invalid {
    /// Makes a report that holds nothing of the text but what may be shown.
    pub(super) fn new(
        file: Option<&Path>,
        text: &str,
        parsed: &Parsed,
        mut findings: Vec<Finding>,
    ) -> Self {
        findings.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
        let more = findings.len().saturating_sub(MOST);
        findings.truncate(MOST);
        let shown: Vec<Range<usize>> = findings
            .iter()
            .filter(|finding| finding.shows_value)
            .filter_map(|finding| finding.span.clone())
            .collect();
        let masked = mask::mask(text, &parsed.tokens, parsed.complete, &shown);
        let secrets = unshowable(parsed);
        for finding in &mut findings {
            scrub(finding, &secrets);
            if let Some(span) = &mut finding.span {
                span.end = span.end.min(masked.len());
                span.start = span.start.min(span.end);
                let before = &masked[..span.start];
                let line_start = before
                    .iter()
                    .rposition(|c| *c == '\n')
                    .map_or(0, |at| at + 1);
                finding.line = Some(before.iter().filter(|c| **c == '\n').count() + 1);
                finding.column = Some(span.start - line_start + 1);
            }
        }
        Self {
            file: file.map(Path::to_owned),
            findings,
            more,
            masked,
        }
    }

    fn human(&self, style: Style) -> String {
        let file = self.file.as_deref().map(shown).unwrap_or_default();
        let source: String = self.masked.iter().collect();
        let mut report = String::new();
        for finding in &self.findings {
            let diagnostic = MietteDiagnostic::new(&finding.message).with_help(&finding.help);
            let diagnostic = match &finding.span {
                Some(span) => Report::new(diagnostic.with_label(self.label(span)))
                    .with_source_code(NamedSource::new(&file, source.clone())),
                None => Report::new(diagnostic),
            };
            render(&diagnostic, style, &mut report);
        }
        if self.more > 0 {
            report.push_str(&format!("… and {} more\n", self.more));
        }
        report
    }

    /// The caret under a stretch of the text. One line of it is enough to find the place, also of
    /// a whole map.
    fn label(&self, span: &Range<usize>) -> LabeledSpan {
        let bytes = |chars: &[char]| chars.iter().map(|c| c.len_utf8()).sum::<usize>();
        let (before, rest) = self.masked.split_at(span.start);
        let line = rest[..span.len()]
            .iter()
            .take_while(|c| **c != '\n')
            .count();
        let place = (bytes(before), bytes(&rest[..line]));
        LabeledSpan::new_primary_with_span(Some("here".to_owned()), place)
    }
}

impl ConfigError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> CheckExit {
        match self {
            Self::Unreadable { .. } => CheckExit::Unreadable,
            Self::Invalid(_) => CheckExit::Invalid,
        }
    }

    /// For people: the place in the file with its values masked, and what to write.
    #[must_use]
    pub fn human(&self, style: Style) -> String {
        match self {
            Self::Unreadable { path, reason } => {
                let what = if reason.names(path) {
                    reason.to_string()
                } else {
                    format!("{}: {reason}", shown(path))
                };
                let diagnostic = MietteDiagnostic::new(what).with_help(reason.help());
                let mut report = String::new();
                render(&Report::new(diagnostic), style, &mut report);
                report
            }
            Self::Invalid(invalid) => invalid.human(style),
        }
    }

    /// For programs: `{"valid": false, "exit": …, "file": …, "problems": [{file, line, column,
    /// path, message, help}], "more": …}`.
    #[must_use]
    pub fn json(&self) -> Value {
        let (file, problems, more) = match self {
            Self::Unreadable { path, reason } => {
                let file = Some(shown(path));
                let problem = json!({
                    "file": file, "line": null, "column": null, "path": [],
                    "message": reason.to_string(), "help": reason.help(),
                });
                (file, vec![problem], 0)
            }
            Self::Invalid(invalid) => {
                let file = invalid.file.as_deref().map(shown);
                let problem = |finding: &Finding| {
                    json!({
                        "file": file, "line": finding.line, "column": finding.column,
                        "path": finding.path, "message": finding.message, "help": finding.help,
                    })
                };
                (
                    file.clone(),
                    invalid.findings.iter().map(problem).collect(),
                    invalid.more,
                )
            }
        };
        let exit = self.exit() as u8;
        json!({ "valid": false, "exit": exit, "file": file, "problems": problems, "more": more })
    }
}

fn render(report: &Report, style: Style, into: &mut String) {
    let theme = if style.colour {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_links(false);
    // Writing to a string fails only if a diagnostic's own formatting does, and ours does not.
    if handler.render_report(into, report.as_ref()).is_err() {
        into.push_str(&report.to_string());
    }
    into.push('\n');
}

/// Every text of the file that no sentence may repeat. What ships with Keyward is no secret.
fn unshowable(parsed: &Parsed) -> Vec<String> {
    const SHIPPED: &str = include_str!("../../config/keyward.yaml");
    let mut texts = Vec::new();
    if let Some(root) = &parsed.root {
        root.each_text(&mut |text| {
            for part in text.split_whitespace().chain([text]) {
                let hidden = !names::is_plain(part) && !names::is_quantity(part);
                if part.len() >= 6 && hidden && !SHIPPED.contains(part) {
                    texts.push(part.to_owned());
                }
            }
        });
    }
    // The longest first, so that no rest of a longer one stays.
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts.dedup();
    texts
}

fn scrub(finding: &mut Finding, secrets: &[String]) {
    for secret in secrets {
        for sentence in [&mut finding.message, &mut finding.help] {
            if sentence.contains(secret.as_str()) {
                *sentence = sentence.replace(secret.as_str(), HIDDEN);
            }
        }
    }
    for step in &mut finding.path {
        if !names::is_plain(step) && step.parse::<u16>().is_err() {
            HIDDEN.clone_into(step);
        }
    }
}

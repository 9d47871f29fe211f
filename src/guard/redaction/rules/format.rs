//! gitleaks' format of rules, as it is written: TOML, key by key.
//!
//! What gitleaks reads and this program has no use for is read too, so that it can be refused in
//! words; a rule that silently did less than its author meant would be worse than none.
//! Source of the format: github.com/gitleaks/gitleaks, README, "Configuration".

use serde::Deserialize;

use super::problem::RuleProblem;

const MAX_BYTES: usize = 1 << 20;

/// A file of rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    /// For readers.
    #[serde(default, rename = "title")]
    _title: Option<String>,
    /// For readers.
    #[serde(default, rename = "description")]
    _description: Option<String>,
    /// The oldest gitleaks that reads the file; it is not compared.
    #[serde(default, rename = "minVersion")]
    _min_version: Option<String>,
    /// Refused: the shipped rules are always there.
    #[serde(default)]
    pub(super) extend: Option<toml::Value>,
    /// What no rule of the file finds, in the older form.
    #[serde(default)]
    pub(super) allowlist: Option<AllowlistEntry>,
    /// What no rule of the file finds.
    #[serde(default)]
    pub(super) allowlists: Vec<AllowlistEntry>,
    /// The rules.
    #[serde(default)]
    pub(super) rules: Vec<RuleEntry>,
}

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    /// Its id.
    #[serde(default)]
    pub(super) id: String,
    /// For readers.
    #[serde(default, rename = "description")]
    _description: Option<String>,
    /// What it finds.
    pub(super) regex: Option<String>,
    /// Which group of the regex is the secret.
    #[serde(default, rename = "secretGroup")]
    pub(super) secret_group: usize,
    /// What the secret's entropy must exceed, in bits a character.
    pub(super) entropy: Option<f64>,
    /// One of these is in the text, in any case, or the rule is not tried.
    #[serde(default)]
    pub(super) keywords: Vec<String>,
    /// For readers.
    #[serde(default, rename = "tags")]
    _tags: Vec<String>,
    /// Refused: there are no paths here.
    pub(super) path: Option<toml::Value>,
    /// Refused.
    pub(super) required: Option<toml::Value>,
    /// What it does not find, in the older form.
    pub(super) allowlist: Option<AllowlistEntry>,
    /// What it does not find.
    #[serde(default)]
    pub(super) allowlists: Vec<AllowlistEntry>,
}

/// What is not found after all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AllowlistEntry {
    /// For readers.
    #[serde(rename = "description")]
    _description: Option<String>,
    /// Whether one check is enough.
    pub(super) condition: Condition,
    /// What the regexes look at.
    #[serde(rename = "regexTarget")]
    pub(super) target: Target,
    /// Any of these matches.
    pub(super) regexes: Vec<String>,
    /// The secret contains any of these, in any case.
    pub(super) stopwords: Vec<String>,
    /// Refused: there are no paths here.
    pub(super) paths: Option<toml::Value>,
    /// Refused: there are no commits here.
    pub(super) commits: Option<toml::Value>,
    /// For a global list: only these rules.
    #[serde(rename = "targetRules")]
    pub(super) rules: Option<Vec<String>>,
}

/// How the checks of an allow-list are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Condition {
    /// One is enough.
    #[default]
    #[serde(rename = "OR", alias = "or", alias = "||")]
    Any,
    /// All are needed.
    #[serde(rename = "AND", alias = "and", alias = "&&")]
    All,
}

/// What the regexes of an allow-list look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Target {
    /// What was found.
    #[default]
    Secret,
    /// The whole match of the rule's regex.
    Match,
    /// The line that the match is on.
    Line,
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<RuleFile, RuleProblem> {
    if text.len() > MAX_BYTES {
        return Err(RuleProblem::TooLong);
    }
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        RuleProblem::Format {
            line: before.unwrap_or_default().matches('\n').count() + 1,
            words: unquoted(error.message()),
        }
    })
}

/// The parser's message without the values it quotes: only names of the format stay.
fn unquoted(message: &str) -> String {
    if message.starts_with("unknown field") || message.starts_with("missing field") {
        return message.to_owned();
    }
    let kind = message.split([':', '`', '"']).next().unwrap_or_default();
    kind.trim_end().to_owned()
}

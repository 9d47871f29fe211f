//! Why a file of rules is refused, in words for its author.
//!
//! A rule is named by its id or its place; what a refused value says is never repeated.

/// What is wrong with a file of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum RuleProblem {
    /// The file is too large to read.
    #[error("the file is longer than 1 MiB")]
    TooLong,
    /// It is not TOML, or not this format.
    #[error("line {line}: {words}")]
    Format {
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        words: String,
    },
    /// There are too many rules, or none.
    #[error("the file has more than 1,000 rules, or none")]
    Count,
    /// A key of the format that means nothing here.
    #[error("{place}: `{key}` is not supported: {why}")]
    Unsupported {
        /// The rule.
        place: String,
        /// The key.
        key: &'static str,
        /// Why.
        why: &'static str,
    },
    /// A value that cannot be used.
    #[error("{place}: {what}")]
    Value {
        /// The rule.
        place: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A regular expression that cannot be used.
    #[error("{place}: the regular expression in `{key}` {what}")]
    Regex {
        /// The rule.
        place: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

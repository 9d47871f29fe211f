//! What a rule matches and is no secret after all: examples, placeholders, names.
//!
//! An allow-list can only take back; a find that it does not know stays one.

use super::{
    expression::{Compile, Expression},
    format::{AllowlistEntry, Condition, Target},
    pattern::{expression, refuse},
    problem::RuleProblem,
};

const MAX_ITEMS: usize = 4_096;
/// Further than this to either side a line is cut: a line may be the whole text.
const MAX_LINE: usize = 1_024;

/// One list, compiled.
#[derive(Debug)]
pub(super) struct Allowlist {
    condition: Condition,
    target: Target,
    regexes: Vec<Expression>,
    /// In small letters.
    stopwords: Vec<Vec<u8>>,
}

impl Allowlist {
    /// Compiles `entry`, which stands at `place`.
    pub(super) fn new(
        place: &str,
        entry: &AllowlistEntry,
        when: Compile,
        problems: &mut Vec<RuleProblem>,
    ) -> Self {
        for (key, is_set) in [
            ("paths", entry.paths.is_some()),
            ("commits", entry.commits.is_some()),
        ] {
            if is_set {
                problems.push(RuleProblem::Unsupported {
                    place: place.to_owned(),
                    key,
                    why: "a text that passes here has neither path nor commit",
                });
            }
        }
        if entry.regexes.is_empty() && entry.stopwords.is_empty() {
            refuse(
                problems,
                place,
                "an allow-list without regexes and stopwords",
            );
        }
        if entry.regexes.len() + entry.stopwords.len() > MAX_ITEMS {
            refuse(problems, place, "an allow-list of more than 4,096 items");
        }
        // Every text contains it.
        if entry.stopwords.iter().any(String::is_empty) {
            refuse(problems, place, "an empty stopword");
        }
        let mut regexes = Vec::new();
        for regex in entry.regexes.iter().take(MAX_ITEMS) {
            regexes.extend(expression(place, "regexes", regex, when, problems));
        }
        Self {
            condition: entry.condition,
            target: entry.target,
            regexes,
            stopwords: entry
                .stopwords
                .iter()
                .map(|word| word.to_ascii_lowercase().into_bytes())
                .collect(),
        }
    }

    /// Whether the find is none.
    pub(super) fn allows(&self, find: &Find<'_>) -> bool {
        let by_regex = || {
            let target = match self.target {
                Target::Secret => find.secret,
                Target::Match => find.whole,
                Target::Line => find.line(),
            };
            // One without a compiled form takes nothing back.
            let mut compiled = self.regexes.iter().filter_map(Expression::get);
            compiled.any(|regex| regex.is_match(target))
        };
        let by_word = || {
            let secret = find.secret.to_ascii_lowercase();
            self.stopwords
                .iter()
                .any(|word| memchr::memmem::find(&secret, word).is_some())
        };
        match self.condition {
            Condition::Any => by_regex() || by_word(),
            Condition::All => {
                (self.regexes.is_empty() || by_regex()) && (self.stopwords.is_empty() || by_word())
            }
        }
    }
}

/// What a rule matched.
pub(super) struct Find<'t> {
    /// Everything.
    pub(super) text: &'t [u8],
    /// Where the match is in it.
    pub(super) start: usize,
    /// The match.
    pub(super) whole: &'t [u8],
    /// The secret in it.
    pub(super) secret: &'t [u8],
}

impl<'t> Find<'t> {
    fn line(&self) -> &'t [u8] {
        let end = self.start + self.whole.len();
        let from = self.start.saturating_sub(MAX_LINE);
        let to = self.text.len().min(end + MAX_LINE);
        let before = self.text.get(from..self.start).unwrap_or_default();
        let after = self.text.get(end..to).unwrap_or_default();
        let from = memchr::memrchr(b'\n', before).map_or(from, |at| from + at + 1);
        let to = memchr::memchr(b'\n', after).map_or(to, |at| end + at);
        self.text.get(from..to).unwrap_or_default()
    }
}

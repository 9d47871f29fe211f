//! One rule, compiled: what it matches, and which matches count.
//!
//! Everything that a file says is checked here, at load, so that a rule which is in use cannot
//! fail. Texts are bytes and classes are ASCII, as in gitleaks: what is decoded on the way need not
//! be UTF-8.

use std::{ops::Range, sync::Arc};

use super::{
    allowlist::{Allowlist, Find},
    entropy::shannon,
    expression::{Compile, Expression},
    format::{self, RuleEntry},
    problem::RuleProblem,
};

const MAX_RULES: usize = 1_000;
const MAX_ID: usize = 64;
const MAX_KEYWORDS: usize = 128;
/// The search for keywords looks at three bytes at a time.
pub(in super::super) const MIN_KEYWORD: usize = 3;
const MAX_KEYWORD: usize = 64;

/// A rule in use.
#[derive(Debug)]
pub(in super::super) struct Pattern {
    /// Its id.
    pub(in super::super) id: Arc<str>,
    /// In small letters. Without any, the rule is tried on every text.
    pub(in super::super) keywords: Vec<String>,
    regex: Expression,
    secret_group: usize,
    entropy: Option<f64>,
    allowlists: Vec<Arc<Allowlist>>,
}

/// What the next match of a rule is.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Match {
    /// All of it.
    pub(in super::super) whole: Range<usize>,
    /// The secret in it; `None` if the match does not count.
    pub(in super::super) secret: Option<Range<usize>>,
    /// Where its secret begins, whether it counts or not.
    pub(in super::super) secret_start: usize,
}

impl Pattern {
    /// The first match in `text` at `from` or later.
    pub(in super::super) fn next(&self, text: &[u8], from: usize) -> Option<Match> {
        let Some(regex) = self.regex.get() else {
            // What cannot be looked through is taken for what is looked for.
            let rest = from..text.len();
            return (!rest.is_empty()).then(|| Match {
                whole: rest.clone(),
                secret: Some(rest),
                secret_start: from,
            });
        };
        // Groups cost several times as much, and most windows have no match.
        let whole = regex.find_at(text, from)?;
        let groups = regex.captures_at(text, whole.start())?;
        let secret = if self.secret_group > 0 {
            groups.get(self.secret_group)
        } else {
            groups.iter().skip(1).flatten().next()
        };
        let secret = secret.unwrap_or(whole);
        let find = Find {
            text,
            start: whole.start(),
            whole: whole.as_bytes(),
            secret: secret.as_bytes(),
        };
        let is_random = self
            .entropy
            .is_none_or(|least| shannon(find.secret) > least);
        let counts = is_random && !self.allowlists.iter().any(|list| list.allows(&find));
        Some(Match {
            whole: whole.range(),
            secret: counts.then(|| secret.range()),
            secret_start: secret.start(),
        })
    }
}

/// Reads a file of rules. What is to be compiled `Later` has been tried before.
///
/// # Errors
/// Everything that is wrong with it.
pub(in super::super) fn read(text: &str, when: Compile) -> Result<Vec<Pattern>, Vec<RuleProblem>> {
    let file = format::parse(text).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    if file.rules.is_empty() || file.rules.len() > MAX_RULES {
        return Err(vec![RuleProblem::Count]);
    }
    if file.extend.is_some() {
        problems.push(RuleProblem::Unsupported {
            place: "the file".to_owned(),
            key: "extend",
            why: "the shipped rules are always there, and `redaction.disable` turns them off",
        });
    }
    let global: Vec<(Option<Vec<String>>, Arc<Allowlist>)> = file
        .allowlist
        .iter()
        .chain(&file.allowlists)
        .map(|entry| {
            let list = Allowlist::new("the file's allow-list", entry, when, &mut problems);
            (entry.rules.clone(), Arc::new(list))
        })
        .collect();
    let mut patterns = Vec::new();
    for (index, entry) in file.rules.iter().enumerate() {
        let lists = global
            .iter()
            .filter(|(rules, _)| rules.as_ref().is_none_or(|rules| rules.contains(&entry.id)))
            .map(|(_, list)| Arc::clone(list));
        patterns.extend(pattern(index, entry, lists.collect(), when, &mut problems));
    }
    if problems.is_empty() {
        Ok(patterns)
    } else {
        Err(problems)
    }
}

fn pattern(
    index: usize,
    entry: &RuleEntry,
    mut allowlists: Vec<Arc<Allowlist>>,
    when: Compile,
    problems: &mut Vec<RuleProblem>,
) -> Option<Pattern> {
    let has_id = is_id(&entry.id);
    let place = if has_id {
        format!("rule `{}`", entry.id)
    } else {
        format!("rule {}", index + 1)
    };
    if !has_id {
        refuse(
            problems,
            &place,
            "an `id` is small letters, digits, `-`, `_` or `.`, at most 64",
        );
    }
    for (key, is_set, why) in [
        (
            "path",
            entry.path.is_some(),
            "a text that passes here has no path",
        ),
        (
            "required",
            entry.required.is_some(),
            "each rule stands for itself",
        ),
    ] {
        if is_set {
            let place = place.clone();
            problems.push(RuleProblem::Unsupported { place, key, why });
        }
    }
    if entry
        .entropy
        .is_some_and(|bits| !(0.0..=8.0).contains(&bits))
    {
        refuse(problems, &place, "`entropy` is bits a character, 0 to 8");
    }
    let is_long = |word: &String| !(MIN_KEYWORD..=MAX_KEYWORD).contains(&word.len());
    if entry.keywords.len() > MAX_KEYWORDS || entry.keywords.iter().any(is_long) {
        refuse(
            problems,
            &place,
            "`keywords` are at most 128, of 3 to 64 characters each",
        );
    }
    for list in entry.allowlist.iter().chain(&entry.allowlists) {
        if list.rules.is_some() {
            refuse(
                problems,
                &place,
                "`targetRules` belongs in the file's own allow-lists",
            );
        }
        allowlists.push(Arc::new(Allowlist::new(&place, list, when, problems)));
    }
    let Some(regex) = &entry.regex else {
        refuse(problems, &place, "a rule needs a `regex`");
        return None;
    };
    let regex = expression(&place, "regex", regex, when, problems)?;
    let groups = match when {
        Compile::Now => regex.get().map_or(0, regex::bytes::Regex::captures_len),
        Compile::Later => usize::MAX,
    };
    if entry.secret_group >= groups {
        refuse(problems, &place, "`secretGroup` is no group of the regex");
    }
    Some(Pattern {
        id: entry.id.as_str().into(),
        keywords: entry
            .keywords
            .iter()
            .map(|word| word.to_ascii_lowercase())
            .collect(),
        regex,
        secret_group: entry.secret_group,
        entropy: entry.entropy,
        allowlists,
    })
}

fn is_id(id: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(plain)
}

/// Reads one regular expression.
pub(super) fn expression(
    place: &str,
    key: &'static str,
    regex: &str,
    when: Compile,
    problems: &mut Vec<RuleProblem>,
) -> Option<Expression> {
    Expression::new(regex, when)
        .map_err(|what| {
            let place = place.to_owned();
            problems.push(RuleProblem::Regex { place, key, what });
        })
        .ok()
}

pub(super) fn refuse(problems: &mut Vec<RuleProblem>, place: &str, what: &'static str) {
    let place = place.to_owned();
    problems.push(RuleProblem::Value { place, what });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_a_compiled_form_takes_all_that_is_left_for_a_secret() {
        let file = "[[rules]]\nid = 'mine'\nregex = '('";
        let rule = read(file, Compile::Later).unwrap().remove(0);
        let rest = Match {
            whole: 1..3,
            secret: Some(1..3),
            secret_start: 1,
        };
        assert_eq!(rule.next(b"abc", 1), Some(rest));
        assert_eq!(rule.next(b"abc", 3), None);
    }
}

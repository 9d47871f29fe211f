//! The redactor: all rules and settings, and what becomes of one text.
//!
//! A text is looked through until nothing more is found, so that to redact what was redacted
//! changes nothing. Whatever cannot be looked through wholly is redacted wholly.

use std::{borrow::Cow, ops::Range, sync::Arc};

use zeroize::Zeroizing;

use super::{
    finding::{Class, Direction, Finding, Redacted, Report},
    mark,
    merge::{Hit, pieces},
    personal::Kind,
    replacement::Replacer,
    rules::{self, Compile, Pattern},
    scan::{Budget, Scanner, Sought},
    settings::{Action, Actions, RedactionSettings, Strategy},
};
use crate::{models::Image, settings::Problem};

/// The first net: the keys that this process has handed out.
pub trait LiveNet: Send + Sync {
    /// Appends where in `text` a part of such a key is, in any form in which it may be written.
    fn ranges(&self, text: &str, found: &mut Vec<Range<usize>>);
}

/// How often a text is looked through. Once is the rule, twice where something was replaced; each
/// time more leaves fewer things to find, and what is not settled at last was made to be so.
const ROUNDS: usize = 4;

/// Finds what must not leave, and takes it out. Built once for a configuration.
pub struct Redactor {
    settings: RedactionSettings,
    live: Arc<dyn LiveNet>,
    scanner: Scanner,
    /// First the patterns, then the kinds of personal data, in the scanner's order; then the rest.
    rules: Vec<Rule>,
    replacer: Replacer,
}

struct Rule {
    id: Arc<str>,
    class: Class,
    strategy: Strategy,
}

/// The rules that are no pattern, by their distance from the end of the table.
const OTHERS: [&str; 3] = ["live-key", "limit", "sensitive"];

/// A round's outcome.
struct Round {
    /// The text, if anything in it changed.
    text: Option<String>,
    found: Vec<Finding>,
}

impl Redactor {
    /// A redactor with the shipped rules, those of `user_rules` (the texts of the files that
    /// `redaction.rules` names, each with its place in that list), and the first net.
    ///
    /// # Errors
    /// Everything that is wrong with settings and rules.
    pub fn new(
        settings: &RedactionSettings,
        user_rules: &[(usize, String)],
        live: Arc<dyn LiveNet>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut patterns = Vec::new();
        for (name, text) in rules::FILES {
            match rules::read(text, Compile::Later) {
                Ok(read) => patterns.extend(read),
                Err(found) => problems.extend(found.iter().map(|problem| {
                    let message = format!("the shipped rules `{name}` cannot be read: {problem}");
                    Problem::new("redaction", message, "this is a fault of this version")
                })),
            }
        }
        let shipped: Vec<Arc<str>> = patterns.iter().map(|rule| Arc::clone(&rule.id)).collect();
        let is_shipped = |id: &str| {
            shipped.iter().any(|shipped| **shipped == *id)
                || Kind::ALL.iter().any(|kind| kind.id() == id)
        };
        let is_disabled = |id: &str| settings.disable.iter().any(|disabled| disabled == id);
        patterns.retain(|rule| !is_disabled(&rule.id));
        let kinds = Kind::ALL.into_iter().filter(|kind| !is_disabled(kind.id()));
        for (index, text) in user_rules {
            let refused = add(&mut patterns, text, |id| {
                is_shipped(id) || OTHERS.contains(&id)
            });
            problems.extend(refused.into_iter().map(|message| {
                Problem::at(
                    ["redaction", "rules", &index.to_string()],
                    message,
                    "`docs/redaction.md` describes the format",
                )
            }));
        }
        let kinds: Vec<Kind> = kinds.collect();
        let rule = |id: &str, class| Rule {
            id: id.into(),
            class,
            strategy: settings.strategy(id, class),
        };
        let secrets = patterns
            .iter()
            .map(|pattern| rule(&pattern.id, Class::Secret));
        let personal = kinds.iter().map(|kind| rule(kind.id(), Class::Personal));
        // What these find is replaced wholly, whatever the settings say of other secrets.
        let others = OTHERS.into_iter().map(|id| Rule {
            id: id.into(),
            class: Class::Secret,
            strategy: Strategy::Full,
        });
        let rules: Vec<Rule> = secrets.chain(personal).chain(others).collect();
        let is_known = |id: &str| {
            !OTHERS.contains(&id) && (is_shipped(id) || rules.iter().any(|rule| *rule.id == *id))
        };
        problems.extend(settings.validate(is_known, is_shipped));
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            settings: settings.clone(),
            live,
            scanner: Scanner::new(patterns, kinds),
            rules,
            replacer: Replacer::new(),
        })
    }

    /// Takes out of `text` what must not go to `direction`.
    #[must_use]
    pub fn text<'t>(&self, direction: Direction, text: &'t str) -> Redacted<'t> {
        self.value(direction, "", text)
    }

    /// As [`Redactor::text`], of a value with a name: rules that go by names see it as
    /// `name="value"`. What is found in the name alone is not told.
    pub(super) fn value<'t>(
        &self,
        direction: Direction,
        name: &str,
        text: &'t str,
    ) -> Redacted<'t> {
        let actions = self.settings.actions(direction);
        let mut report = Report::default();
        let mut text = Cow::Borrowed(text);
        for round in 0..ROUNDS {
            let found = self.round(&actions, name, &text, round == 0);
            if round == 0 || found.text.is_some() {
                found
                    .found
                    .into_iter()
                    .for_each(|finding| report.add(finding));
            }
            match found.text {
                Some(changed) => text = Cow::Owned(changed),
                None => return Redacted { text, report },
            }
            report.changed = true;
        }
        report.add(self.finding(self.limit(), actions.strictest()));
        Redacted {
            text: Cow::Owned(self.mark(self.limit())),
            report,
        }
    }

    /// Looks through `text` once, for the first time or again.
    fn round(&self, actions: &Actions, name: &str, text: &str, is_first: bool) -> Round {
        let action = |rule: usize| self.action(actions, rule);
        let hits = self.hits(actions, name, text);
        if hits.is_empty() {
            return Round {
                text: None,
                found: Vec::new(),
            };
        }
        let marks = self.marks(text);
        let (warned, replaced): (Vec<Hit>, Vec<Hit>) = hits
            .into_iter()
            .partition(|hit| action(hit.rule) < Action::Redact);
        let weight = |rule: usize| {
            let is_secret = self.rules[rule].class == Class::Secret;
            (rule == self.live_key(), action(rule), is_secret)
        };
        let warned = pieces(text, warned, &marks, weight);
        let replaced = pieces(text, replaced, &marks, weight);
        let told = warned.iter().chain(&replaced);
        let found = told.map(|hit| self.finding(hit.rule, action(hit.rule)));
        let written = self.written(text, &replaced, is_first);
        Round {
            found: found.collect(),
            text: (written != text).then_some(written),
        }
    }

    fn hits(&self, actions: &Actions, name: &str, text: &str) -> Vec<Hit> {
        let composed;
        let (mut seen, before) = if name.is_empty() {
            (text, 0)
        } else {
            composed = Zeroizing::new(format!("{name}=\"{text}\""));
            (composed.as_str(), name.len() + 2)
        };
        // The id in a mark must not lend its words to what stands beside it.
        let marks = self.marks(seen);
        let blanked;
        if !marks.is_empty() {
            blanked = Zeroizing::new(mark::blank(seen, &marks));
            seen = &blanked;
        }
        let sought = Sought {
            secrets: actions.secrets > Action::Off,
            personal: actions.personal > Action::Off,
        };
        let mut hits = Vec::new();
        let mut budget = Budget::new(seen.len());
        let scanned = if is_image(text) {
            self.scanner
                .scan_encoded(seen, sought, &mut budget, &mut hits)
        } else {
            self.scanner.scan(seen, sought, &mut budget, &mut hits)
        };
        if scanned.is_err() {
            hits.push(Hit {
                rule: self.limit(),
                range: 0..seen.len(),
            });
        }
        let mut live = Vec::new();
        self.live.ranges(seen, &mut live);
        hits.extend(live.into_iter().map(|range| Hit {
            rule: self.live_key(),
            range,
        }));
        // What is in the name, or in the signs around it, is not in the text.
        for hit in &mut hits {
            let inside = |at: usize| at.saturating_sub(before).min(text.len());
            hit.range = inside(hit.range.start)..inside(hit.range.end);
        }
        hits.retain(|hit| !hit.range.is_empty());
        hits
    }

    fn written(&self, text: &str, pieces: &[Hit], is_first: bool) -> String {
        let mut written = String::with_capacity(text.len());
        let mut done = 0;
        for piece in pieces {
            let rule = &self.rules[piece.rule];
            written.push_str(&text[done..piece.range.start]);
            let value = &text[piece.range.clone()];
            let start = written.len();
            self.replacer
                .write(rule.strategy, &rule.id, value, &mut written);
            // What looks like a find once more is one no longer when it is a mark.
            if !is_first && written[start..] != *value {
                written.truncate(start);
                mark::write(&rule.id, "", &mut written);
            }
            done = piece.range.end;
        }
        written.push_str(&text[done..]);
        written
    }

    fn action(&self, actions: &Actions, rule: usize) -> Action {
        if rule == self.live_key() {
            actions.live
        } else if rule == self.limit() {
            actions.strictest()
        } else {
            match self.rules[rule].class {
                Class::Secret => actions.secrets,
                Class::Personal => actions.personal,
            }
        }
    }

    pub(super) fn finding(&self, rule: usize, action: Action) -> Finding {
        let rule = &self.rules[rule];
        Finding {
            rule: Arc::clone(&rule.id),
            class: rule.class,
            action,
            pointer: String::new(),
        }
    }

    fn marks(&self, text: &str) -> Vec<Range<usize>> {
        mark::find(text, |id| self.rules.iter().any(|rule| *rule.id == *id))
    }

    fn live_key(&self) -> usize {
        self.rules.len() - OTHERS.len()
    }

    /// The rule of what cannot be looked through.
    pub(super) fn limit(&self) -> usize {
        self.live_key() + 1
    }

    /// The rule of fields that a schema marks.
    pub(super) fn sensitive(&self) -> usize {
        self.live_key() + 2
    }

    /// What stands for a whole value that `rule` takes out.
    pub(super) fn mark(&self, rule: usize) -> String {
        let mut mark = String::new();
        mark::write(&self.rules[rule].id, "", &mut mark);
        mark
    }
}

/// Adds the rules of a file; says what is wrong with them.
fn add(patterns: &mut Vec<Pattern>, text: &str, is_taken: impl Fn(&str) -> bool) -> Vec<String> {
    let read = match rules::read(text, Compile::Now) {
        Ok(read) => read,
        Err(problems) => return problems.iter().map(ToString::to_string).collect(),
    };
    let mut problems = Vec::new();
    for pattern in read {
        if is_taken(&pattern.id) || patterns.iter().any(|known| known.id == pattern.id) {
            problems.push(format!(
                "rule `{}`: there is a rule of this id already",
                pattern.id
            ));
        } else {
            patterns.push(pattern);
        }
    }
    problems
}

/// Whether the whole of `text` is an image in base64, by its bytes and not by what it says of itself.
fn is_image(text: &str) -> bool {
    text.starts_with("data:image/") && matches!(Image::parse(text), Ok(Image::Inline { .. }))
}

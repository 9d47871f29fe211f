//! Documents: every string, every name and every number in one, at any depth.
//!
//! A value is looked at with the name it goes by, as in text, where `password=` tells what its
//! value does not. Names that gave cause stand redacted in pointers too.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    finding::{Direction, Finding, Report},
    redactor::Redactor,
    settings::Action,
};
use crate::guard::fields::FieldPattern;

/// Deeper than any parser's document: what is below is not looked at, but redacted.
const MAX_DEPTH: usize = 256;
/// Longer names tell nothing of their value.
const MAX_NAME: usize = 128;
/// Of a pointer in a finding, in bytes.
const MAX_POINTER: usize = 1_024;

impl Redactor {
    /// Takes out of `document` what must not go to `direction`, and everything in the fields that
    /// `sensitive` means, whatever they hold.
    pub fn document(
        &self,
        direction: Direction,
        document: &mut Value,
        sensitive: &[FieldPattern],
    ) -> Report {
        let mut walk = Walk {
            redactor: self,
            direction,
            sensitive,
            depth: 0,
            steps: Vec::new(),
            pointer: String::new(),
            report: Report::default(),
        };
        walk.value(document, "");
        walk.report
    }
}

struct Walk<'r> {
    redactor: &'r Redactor,
    direction: Direction,
    sensitive: &'r [FieldPattern],
    depth: usize,
    /// From the root to the value, as they are in the document; only if there are patterns.
    steps: Vec<String>,
    /// The same as a JSON pointer, redacted.
    pointer: String,
    report: Report,
}

impl Walk<'_> {
    /// Redacts `value`, which goes by `name`.
    fn value(&mut self, value: &mut Value, name: &str) {
        if self.is_sensitive() {
            self.replace(value, self.redactor.sensitive());
        } else if self.depth >= MAX_DEPTH && (value.is_object() || value.is_array()) {
            self.replace(value, self.redactor.limit());
        } else {
            match value {
                Value::Object(map) => self.object(map),
                Value::Array(items) => {
                    for (index, item) in items.iter_mut().enumerate() {
                        let step = index.to_string();
                        self.below(&step, &step, |walk| walk.value(item, name));
                    }
                }
                Value::String(text) => {
                    if let Some(redacted) = self.text(name, text) {
                        *text = redacted;
                    }
                }
                // A card's number may be written as one.
                Value::Number(number) => {
                    if let Some(redacted) = self.text(name, &number.to_string()) {
                        *value = Value::String(redacted);
                    }
                }
                Value::Null | Value::Bool(_) => {}
            }
        }
    }

    fn object(&mut self, map: &mut Map<String, Value>) {
        let mut renamed = Vec::new();
        for (name, value) in map.iter_mut() {
            let redacted = self.redactor.text(self.direction, name);
            let gave_cause = !redacted.report.findings.is_empty();
            // A warning leaves the name as it is, yet a finding must not repeat it.
            let shown = match (gave_cause, redacted.report.changed) {
                (true, false) => "[redacted]",
                _ => &redacted.text,
            };
            let given = if name.len() > MAX_NAME { "" } else { name };
            self.below(name, shown, |walk| {
                walk.tell(redacted.report.clone());
                walk.value(value, given);
            });
            if redacted.report.changed {
                renamed.push((name.clone(), redacted.text.into_owned()));
            }
        }
        let mut taken: HashMap<String, usize> = HashMap::new();
        for (name, redacted) in renamed {
            if let Some(value) = map.remove(&name) {
                let free = free(map, redacted, &mut taken);
                map.insert(free, value);
            }
        }
    }

    /// Walks one step down, to `step`, which is told as `shown`.
    fn below(&mut self, step: &str, shown: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        if length + shown.len() < MAX_POINTER {
            self.pointer.push('/');
            for c in shown.chars() {
                // RFC 6901, section 3.
                match c {
                    '~' => self.pointer.push_str("~0"),
                    '/' => self.pointer.push_str("~1"),
                    c => self.pointer.push(c),
                }
            }
        }
        if !self.sensitive.is_empty() {
            self.steps.push(step.to_owned());
        }
        self.depth += 1;
        walk(self);
        self.depth -= 1;
        self.steps.pop();
        self.pointer.truncate(length);
    }

    fn text(&mut self, name: &str, text: &str) -> Option<String> {
        let redacted = self.redactor.value(self.direction, name, text);
        let changed = redacted.report.changed.then(|| redacted.text.into_owned());
        self.tell(redacted.report);
        changed
    }

    fn replace(&mut self, value: &mut Value, rule: usize) {
        let mark = Value::String(self.redactor.mark(rule));
        if *value != mark {
            *value = mark;
            let finding = self.redactor.finding(rule, Action::Redact);
            let mut report = Report::default();
            report.add(finding);
            report.changed = true;
            self.tell(report);
        }
    }

    fn tell(&mut self, report: Report) {
        self.report.changed |= report.changed;
        self.report.blocked |= report.blocked;
        self.report.unlisted += report.unlisted;
        for finding in report.findings {
            self.report.add(Finding {
                pointer: self.pointer.clone(),
                ..finding
            });
        }
    }

    fn is_sensitive(&self) -> bool {
        if self.sensitive.is_empty() {
            return false;
        }
        let steps: Vec<&str> = self.steps.iter().map(String::as_str).collect();
        self.sensitive.iter().any(|pattern| pattern.matches(&steps))
    }
}

/// A name that is not taken: `name`, or with a number behind it.
fn free(map: &Map<String, Value>, name: String, taken: &mut HashMap<String, usize>) -> String {
    let count = taken.entry(name.clone()).or_insert(1);
    let mut free = name.clone();
    while map.contains_key(&free) {
        *count += 1;
        free = format!("{name}#{count}");
    }
    free
}

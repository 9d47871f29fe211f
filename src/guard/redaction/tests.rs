//! What redaction promises as a whole; what each part promises stands beside it.

mod corpus;
mod documents;
mod forms;
mod hostile;
mod papers;
mod samples;
mod settings;
mod user_rules;

use std::{
    ops::Range,
    sync::{Arc, LazyLock},
};

use super::{Direction, LiveNet, RedactionSettings, Redactor};

/// With the shipped rules, everything redacted, nothing blocked.
static ALL: LazyLock<Redactor> = LazyLock::new(|| {
    redactor("{ log: { secrets: redact, personal: redact }, to_client: { personal: redact } }")
});

/// A first net that knows one key, as it is.
struct Knows(&'static str);

impl LiveNet for Knows {
    fn ranges(&self, text: &str, found: &mut Vec<Range<usize>>) {
        if !self.0.is_empty() {
            let matches = text.match_indices(self.0);
            found.extend(matches.map(|(at, key)| at..at + key.len()));
        }
    }
}

fn settings(yaml: &str) -> RedactionSettings {
    serde_saphyr::from_str(yaml).unwrap()
}

fn redactor(yaml: &str) -> Redactor {
    with_key(yaml, "")
}

fn with_key(yaml: &str, key: &'static str) -> Redactor {
    let Ok(redactor) = Redactor::new(&settings(yaml), &[], Arc::new(Knows(key))) else {
        panic!("refused: {yaml}");
    };
    redactor
}

/// The ids of what `redactor` finds, in order.
fn rules(redactor: &Redactor, direction: Direction, text: &str) -> Vec<String> {
    let found = redactor.text(direction, text).report.findings;
    found.iter().map(|found| found.rule.to_string()).collect()
}

//! Redaction of whole documents, where a large one is not in the way of other calls.
//!
//! A document of a megabyte takes milliseconds as a rule and a large part of a second at worst, and
//! the threads that calls run on are few. So a large one is cleaned on a thread for blocking work,
//! two at the same time at most; the others wait their turn, and small documents pass by them.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    fields::FieldPattern,
    redaction::{Direction, Redactor, Report},
};

/// Bytes of text up to which a document is cleaned where it is.
const SMALL_BYTES: usize = 64 * 1024;
/// Large documents that are cleaned at the same time.
const TURNS: usize = 2;

/// Cleans documents.
pub(super) struct Cleaner {
    redactor: Arc<Redactor>,
    turns: Arc<Semaphore>,
}

/// A document could not be looked through: a bug. It must not leave.
#[derive(Debug)]
pub(super) struct NotCleaned;

impl Cleaner {
    pub(super) fn new(redactor: Arc<Redactor>) -> Self {
        Self {
            redactor,
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }

    /// The document without what must not go to `direction`, and what was found. Dropping the
    /// future keeps the turn until the work that was begun has ended.
    pub(super) async fn document(
        &self,
        direction: Direction,
        mut document: Value,
        sensitive: &[FieldPattern],
    ) -> Result<(Value, Report), NotCleaned> {
        if text_bytes(&document) <= SMALL_BYTES {
            let report = self.redactor.document(direction, &mut document, sensitive);
            return Ok((document, report));
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| NotCleaned)?;
        let (redactor, sensitive) = (Arc::clone(&self.redactor), sensitive.to_vec());
        let cleaned = tokio::task::spawn_blocking(move || {
            let report = redactor.document(direction, &mut document, &sensitive);
            drop(turn);
            (document, report)
        });
        cleaned.await.map_err(|_| NotCleaned)
    }
}

/// Bytes of all strings in `value`, names included.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| name.len() + text_bytes(value))
            .sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use serde_json::json;

    use super::*;
    use crate::guard::redaction::LiveNet;

    struct Nothing;

    impl LiveNet for Nothing {
        fn ranges(&self, _: &str, _: &mut Vec<Range<usize>>) {}
    }

    #[tokio::test]
    async fn a_large_document_is_cleaned_like_a_small_one() {
        let redactor = Redactor::new(&Default::default(), &[], Arc::new(Nothing)).unwrap();
        let cleaner = Cleaner::new(Arc::new(redactor));
        let key = format!("AKIA{}", "Q3ZJ7XW2PLM5RTVB");
        for padding in [0, SMALL_BYTES] {
            let document = json!({ "a": [format!("{} {key}", "x".repeat(padding))] });
            let cleaned = cleaner.document(Direction::ToModel, document, &[]).await;
            let (document, report) = cleaned.unwrap();
            assert!(
                report.blocked && !document.to_string().contains(&key),
                "{padding}"
            );
            assert_eq!(cleaner.turns.available_permits(), TURNS);
        }
    }
}

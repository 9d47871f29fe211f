//! How a sink gets the lines that it sends: each record sealed into a chain of the sink's own, so
//! that what a receiver holds can be verified like a file.
//!
//! The chain is copied before a record is sealed, and the copy takes its place once the line is
//! kept. So a batch that failed leaves no gap: the next one follows what the receiver has.

use std::sync::Arc;

use crate::audit::{Chain, Record, SinkError};

/// A chain that turns records into lines. A copy goes its own way from where it was made.
pub trait Seal: Clone + Send {
    /// The line of `record`, without a line end, linked to the one before it.
    ///
    /// # Errors
    /// The record has no line; the chain is as it was.
    fn seal(&mut self, record: &Record) -> Result<String, SinkError>;
}

impl Seal for Chain {
    fn seal(&mut self, record: &Record) -> Result<String, SinkError> {
        Self::seal(self, record).map_err(|error| SinkError(error.to_string()))
    }
}

/// The lines of as many records from the front of `batch` as come to `max_bytes`; one at least, if
/// there is any.
///
/// # Errors
/// A record cannot be sealed.
pub(super) fn lines<S: Seal>(
    chain: &mut S,
    batch: &[Arc<Record>],
    max_bytes: usize,
) -> Result<Vec<String>, SinkError> {
    let mut lines = Vec::new();
    let mut bytes = 0_usize;
    for record in batch {
        let mut next = chain.clone();
        let line = next.seal(record)?;
        bytes = bytes.saturating_add(line.len());
        if bytes > max_bytes && !lines.is_empty() {
            break;
        }
        *chain = next;
        lines.push(line);
    }
    Ok(lines)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::audit::Event;

    /// A chain that only counts: what a sink does with it shows in the numbers.
    #[derive(Debug, Clone, Default)]
    pub(in crate::audit::sinks) struct Count(pub(in crate::audit::sinks) u64);

    impl Seal for Count {
        fn seal(&mut self, record: &Record) -> Result<String, SinkError> {
            if record.code.as_deref() == Some("unsealable") {
                return Err(SinkError("a record has no line".to_owned()));
            }
            self.0 += 1;
            let mut line = serde_json::to_value(record).unwrap();
            line["sequence"] = json!(self.0);
            Ok(line.to_string())
        }
    }

    /// The number and the detail that a line has.
    pub(in crate::audit::sinks) fn told(line: &str) -> (u64, String) {
        let line: Value = serde_json::from_str(line).unwrap();
        let detail = line["detail"].as_str().unwrap_or_default().to_owned();
        (line["sequence"].as_u64().unwrap(), detail)
    }

    /// A record for each of `details`.
    pub(in crate::audit::sinks) fn batch(details: &[&str]) -> Vec<Arc<Record>> {
        let record = |detail: &&str| {
            let mut record = Record::new(Event::CallEnded);
            record.time = "2026-01-02T03:04:05Z".parse().unwrap();
            record.detail = Some((*detail).to_owned());
            Arc::new(record)
        };
        details.iter().map(record).collect()
    }

    #[test]
    fn lines_are_taken_in_order_up_to_the_limit_and_no_number_is_spent_on_the_rest() {
        let batch = batch(&["a", "b", "c"]);
        let length = Count::default().seal(&batch[0]).unwrap().len();
        let mut chain = Count::default();
        let first = lines(&mut chain, &batch, 2 * length).unwrap();
        let first: Vec<_> = first.iter().map(|line| told(line)).collect();
        assert_eq!(first, [(1, "a".into()), (2, "b".into())]);
        assert_eq!(chain.0, 2);
        let rest = lines(&mut chain, &batch[2..], 2 * length).unwrap();
        assert_eq!(told(&rest[0]), (3, "c".into()));
    }

    #[test]
    fn a_line_above_the_limit_goes_alone() {
        let batch = batch(&["a", "b"]);
        assert_eq!(lines(&mut Count::default(), &batch, 1).unwrap().len(), 1);
        assert_eq!(lines(&mut Count::default(), &[], 1).unwrap().len(), 0);
    }
}

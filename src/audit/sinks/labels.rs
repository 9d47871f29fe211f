//! What a record is called and how grave it is, for places that sort by such words.
//!
//! Syslog and OTLP each have a field for both; they are decided here once, so that a record is
//! not an error to one and a notice to the other. Nothing is left out because it is not grave.

use serde_json::Value;

use crate::audit::{Event, Record};

/// How grave a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// What is meant to happen.
    Info,
    /// Something was refused, or found that should not be there.
    Warning,
    /// The audit itself has a hole.
    Error,
}

impl Severity {
    /// Of `record`.
    pub(super) fn of(record: &Record) -> Self {
        let is_denied = record
            .decision
            .as_ref()
            .is_some_and(|decision| decision.verdict == "deny");
        match record.event {
            Event::RecordsLost => Self::Error,
            Event::Unauthenticated
            | Event::MessageRefused
            | Event::TailHealed
            | Event::Redaction => Self::Warning,
            _ if is_denied => Self::Warning,
            _ => Self::Info,
        }
    }
}

/// The event's name, as in the record's own line.
pub(super) fn event_name(event: Event) -> String {
    match serde_json::to_value(event) {
        Ok(Value::String(name)) => name,
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::RecordedDecision;

    #[test]
    fn a_hole_in_the_audit_is_graver_than_a_refusal_and_that_than_a_call() {
        let of = |event| Severity::of(&Record::new(event));
        assert_eq!(of(Event::RecordsLost), Severity::Error);
        assert_eq!(of(Event::Unauthenticated), Severity::Warning);
        assert_eq!(of(Event::CallEnded), Severity::Info);
        let judged = |verdict| {
            let mut record = Record::new(Event::PolicyDecision);
            record.decision = Some(RecordedDecision {
                direction: "input",
                verdict,
                rules: Vec::new(),
                reason: None,
            });
            Severity::of(&record)
        };
        assert_eq!(judged("deny"), Severity::Warning);
        assert_eq!(judged("allow"), Severity::Info);
    }

    #[test]
    fn an_event_has_the_name_that_stands_in_its_record() {
        assert_eq!(event_name(Event::CallAccepted), "call_accepted");
    }
}

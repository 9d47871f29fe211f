//! The form of a message: RFC 5424, section 6.
//!
//! What a caller can choose stands only in MSG, where JSON has escaped every control character;
//! so no record can forge a header or a second message.
//!
//! MSG has no byte order mark. The RFC's grammar has two forms: MSG-UTF8, which begins with one
//! (section 6.4), and MSG-ANY, any octets at all. We send the second: receivers hand MSG to a
//! parser of JSON, before which RFC 8259 (section 8.1) forbids the mark, and a hash is computed
//! over these very bytes.

use crate::audit::{
    Record,
    sinks::labels::{Severity, event_name},
};

const APP_NAME: &str = "keyward";
/// What stands for a field that is not known: NILVALUE.
const NIL: &str = "-";
/// The longest HOSTNAME.
const MAX_HOSTNAME: usize = 255;

/// What every message of a process begins with.
#[derive(Debug, Clone)]
pub(super) struct Header {
    facility: u8,
    hostname: String,
    process: u32,
}

impl Header {
    /// The header under the facility of this number, for a machine of this name.
    pub(super) fn new(facility: u8, hostname: &str, process: u32) -> Self {
        let is_name = (1..=MAX_HOSTNAME).contains(&hostname.len())
            && hostname.bytes().all(|byte| byte.is_ascii_graphic());
        Self {
            facility,
            hostname: if is_name { hostname } else { NIL }.to_owned(),
            process,
        }
    }

    /// The message that carries `line`, the JSON of `record`.
    pub(super) fn message(&self, record: &Record, line: &str) -> String {
        // Section 6.2.1: the facility times 8, and the severity.
        let priority = u16::from(self.facility) * 8 + severity(record);
        // TIME-SECFRAC has six digits at the most (section 6); MSGID, of 32 at the most, says what
        // kind of message it is (6.2.7); there is no STRUCTURED-DATA.
        format!(
            "<{priority}>1 {time:.6} {host} {APP_NAME} {process} {event} {NIL} {line}",
            time = record.time,
            host = self.hostname,
            process = self.process,
            event = event_name(record.event),
        )
    }
}

/// RFC 5424, table 2.
fn severity(record: &Record) -> u16 {
    match Severity::of(record) {
        Severity::Error => 3,
        Severity::Warning => 4,
        Severity::Info => 6,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::{Event, sinks::syslog::Facility};

    fn record(event: Event) -> Record {
        let mut record = Record::new(event);
        record.time = "2026-01-02T03:04:05.5Z".parse().unwrap();
        record
    }

    #[test]
    fn a_message_has_the_bytes_of_the_standard() {
        let header = Header::new(Facility::Authpriv.code(), "host.example", 42);
        assert_eq!(
            header.message(&record(Event::CallEnded), r#"{"a":1}"#),
            "<86>1 2026-01-02T03:04:05.500000Z host.example keyward 42 call_ended - {\"a\":1}"
        );
        let header = Header::new(Facility::Local7.code(), "h", 1);
        assert_eq!(
            header.message(&record(Event::RecordsLost), "{}"),
            "<187>1 2026-01-02T03:04:05.500000Z h keyward 1 records_lost - {}"
        );
    }

    proptest! {
        #[test]
        fn no_name_of_a_machine_breaks_the_header(name in "[ -~]{0,300}|[\\x00-\\x7f]{0,20}|\\PC*") {
            let message = Header::new(4, &name, 1).message(&record(Event::CallEnded), "{}");
            let fields: Vec<_> = message.split(' ').collect();
            prop_assert_eq!(fields.len(), 8);
            prop_assert_eq!(fields[3], "keyward");
            let is_plain = fields[2].bytes().all(|byte| (33..=126).contains(&byte));
            prop_assert!(is_plain && (1..=255).contains(&fields[2].len()));
        }
    }
}

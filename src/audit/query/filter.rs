//! Which records are meant. All conditions that are given must hold.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::settings::parse_duration;

/// The conditions of a query; `None` is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The tool's name.
    pub tool: Option<String>,
    /// The principal's id.
    pub principal: Option<String>,
    /// What the policy said: `allow`, `deny` …
    pub decision: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// What happened, as the field `event` has it.
    pub event: Option<String>,
    /// The keyed hash of any argument.
    pub argument_hash: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

impl Filter {
    pub(super) fn admits(&self, record: &Map<String, Value>) -> bool {
        let is = |wanted: &Option<String>, keys: &[&str]| {
            wanted
                .as_deref()
                .is_none_or(|wanted| text(record, keys) == Some(wanted))
        };
        let has_argument = || {
            let hashes = record.get("arguments_hmac").and_then(Value::as_object);
            self.argument_hash.as_deref().is_none_or(|wanted| {
                hashes.is_some_and(|hashes| hashes.values().any(|hash| hash == wanted))
            })
        };
        is(&self.event, &["event"])
            && is(&self.tool, &["tool"])
            && is(&self.principal, &["principal", "id"])
            && is(&self.decision, &["decision", "verdict"])
            && is(&self.outcome, &["outcome"])
            && has_argument()
            && self.is_in_time(record)
    }

    fn is_in_time(&self, record: &Map<String, Value>) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let time = text(record, &["time"]).and_then(|time| time.parse::<Timestamp>().ok());
        time.is_some_and(|time| {
            self.since.is_none_or(|since| time >= since)
                && self.until.is_none_or(|until| time <= until)
        })
    }
}

/// The text at the end of `keys`.
pub(super) fn text<'a>(record: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a str> {
    let (first, rest) = keys.split_first()?;
    let value = rest
        .iter()
        .try_fold(record.get(*first)?, |value, key| value.get(key))?;
    value.as_str()
}

/// The text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time such as `2026-01-31T09:00:00Z`, or how long ago it was, such as `90m` or `2h`"
)]
pub struct InvalidMoment;

/// Reads a time (RFC 3339), or a duration before `now`.
///
/// # Errors
/// [`InvalidMoment`].
pub fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, InvalidMoment> {
    if let Ok(ago) = parse_duration(text) {
        let ago = SignedDuration::try_from(ago).map_err(|_| InvalidMoment)?;
        return now.checked_sub(ago).map_err(|_| InvalidMoment);
    }
    text.parse().map_err(|_| InvalidMoment)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn admits(change: impl FnOnce(&mut Filter)) -> bool {
        let record = json!({
            "event": "policy_decision", "tool": "chat", "principal": { "id": "alice" },
            "decision": { "verdict": "deny" }, "outcome": "denied",
            "time": "2026-01-31T09:00:00.5Z", "arguments_hmac": { "prompt": "aa", "n": "bb" },
        });
        let mut filter = Filter::default();
        change(&mut filter);
        filter.admits(record.as_object().unwrap())
    }

    #[test]
    fn every_condition_is_met_by_its_own_field_alone() {
        let some = |text: &str| Some(text.to_owned());
        assert!(admits(|_| {}));
        for (right, wrong) in [("chat", "Chat"), ("chat", "")] {
            assert!(admits(|filter| filter.tool = some(right)));
            assert!(!admits(|filter| filter.tool = some(wrong)));
        }
        assert!(admits(|filter| filter.principal = some("alice")));
        assert!(!admits(|filter| filter.principal = some("bob")));
        assert!(admits(|filter| filter.decision = some("deny")));
        assert!(!admits(|filter| filter.decision = some("allow")));
        assert!(admits(|filter| filter.outcome = some("denied")));
        assert!(!admits(|filter| filter.outcome = some("ok")));
        assert!(admits(|filter| filter.event = some("policy_decision")));
        assert!(!admits(|filter| filter.event = some("call_ended")));
        assert!(admits(|filter| filter.argument_hash = some("bb")));
        assert!(!admits(|filter| filter.argument_hash = some("prompt")));
        assert!(!admits(|filter| {
            filter.tool = some("chat");
            filter.principal = some("bob");
        }));
    }

    #[test]
    fn a_time_is_compared_as_a_time_and_both_ends_count() {
        let at = |text: &str| Some(text.parse().unwrap());
        for (since, until, expected) in [
            ("2026-01-31T09:00:00Z", "2026-01-31T09:00:01Z", true),
            ("2026-01-31T09:00:00.5Z", "2026-01-31T09:00:00.500Z", true),
            (
                "2026-01-31T10:00:00+01:00",
                "2026-01-31T11:00:00+01:00",
                true,
            ),
            ("2026-01-31T09:00:00.6Z", "2027-01-31T09:00:00Z", false),
            ("2025-01-31T09:00:00Z", "2026-01-31T09:00:00.4Z", false),
        ] {
            let found = admits(|filter| {
                filter.since = at(since);
                filter.until = at(until);
            });
            assert_eq!(found, expected, "{since} {until}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_so_long_ago() {
        let now: Timestamp = "2026-01-31T09:00:00Z".parse().unwrap();
        assert_eq!(
            parse_moment("2h", now),
            Ok("2026-01-31T07:00:00Z".parse().unwrap())
        );
        assert_eq!(
            parse_moment("2026-01-01T00:00:00+02:00", now),
            Ok("2025-12-31T22:00:00Z".parse().unwrap())
        );
        for wrong in ["", "yesterday", "2026-01-31", "-2h", "9999999999999h"] {
            assert_eq!(parse_moment(wrong, now), Err(InvalidMoment), "{wrong}");
        }
    }
}

//! One record: what is kept of an event, field by field.
//!
//! The names are a promise to whoever reads the audit ([`SCHEMA`] changes with them); see
//! `docs/audit.md`. A field that does not apply is left out. There are no fractions anywhere, so
//! that the canonical form of a record (RFC 8785) is the same in every language.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// The version of the fields below.
pub(super) const SCHEMA: &str = "keyward.audit/1";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The process began to serve.
    ServerStarted,
    /// The process ends.
    ServerStopped,
    /// A request had no right credentials; there is no call.
    Unauthenticated,
    /// A message of a client with a right to be heard could not be read; there is no call.
    MessageRefused,
    /// A call is well-formed, and about to be judged and run.
    CallAccepted,
    /// A call ended: answered, failed, refused or cancelled.
    CallEnded,
    /// The policy judged a call or its answer.
    PolicyDecision,
    /// A secret was asked for: fetched, found, missing or refused.
    SecretUsed,
    /// Something that looks like a secret or personal was found on its way out.
    Redaction,
    /// The sink's file ended in an unfinished line, which was cut off.
    TailHealed,
    /// Records were lost by this sink, which could not keep them.
    RecordsLost,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::ServerStarted,
        Self::ServerStopped,
        Self::Unauthenticated,
        Self::MessageRefused,
        Self::CallAccepted,
        Self::CallEnded,
        Self::PolicyDecision,
        Self::SecretUsed,
        Self::Redaction,
        Self::TailHealed,
        Self::RecordsLost,
    ];

    /// Its name in records.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ServerStarted => "server_started",
            Self::ServerStopped => "server_stopped",
            Self::Unauthenticated => "unauthenticated",
            Self::MessageRefused => "message_refused",
            Self::CallAccepted => "call_accepted",
            Self::CallEnded => "call_ended",
            Self::PolicyDecision => "policy_decision",
            Self::SecretUsed => "secret_used",
            Self::Redaction => "redaction",
            Self::TailHealed => "tail_healed",
            Self::RecordsLost => "records_lost",
        }
    }
}

/// One record. Build it with [`Record::new`] and fill in what applies.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// When it happened, UTC, to the microsecond.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
    /// The process that tells: 16 hexadecimal digits, new at each start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Our id of the call, which its client is told in errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The client's trace (W3C Trace Context `trace-id`), if it sent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<RecordedPrincipal>,
    /// With which program, as that says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<RecordedClient>,
    /// The tool, as the client named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Each argument's keyed HMAC, by the argument's name; `""` stands for all of them together
    /// where they did not fit the tool's schema.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments_hmac: BTreeMap<String, String>,
    /// The arguments in clear text, redacted; only if the configuration asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// The files that the call reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<RecordedFile>,
    /// The model that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model provider's name in configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The models that were asked before the one that answered, or after the first that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_asked: Vec<RecordedAttempt>,
    /// Tokens, as the vendor counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// What they cost by list price, in millionths of a US dollar, if a price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
    /// Names of the secrets that the call would use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The secret that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<RecordedSecret>,
    /// What the policy said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<RecordedDecision>,
    /// How it ended: a word of a closed list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// Why, as a short stable word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What else there is to know, in words without values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many: records that were lost, or bytes that were cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How long it took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// Bytes of the arguments, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// Bytes of the answer's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// The digest of the configuration in force: SHA-256 in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_digest: Option<String>,
}

// Below, fields stand in the order of their names, which is that of the canonical form.

/// A principal, as far as the audit keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedPrincipal {
    /// What they belong to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Who.
    pub id: String,
    /// How they are known: `local`, `token` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
}

/// A client program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedClient {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A file that a call reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedFile {
    /// Its root of the workspace as configuration writes it, and its real path below.
    pub path: String,
    /// SHA-256 of what is in it, in hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
}

/// A model that was asked and did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedAttempt {
    /// Why: the code of its error.
    pub because: String,
    /// Its name.
    pub model: String,
    /// The model provider's name in configuration.
    pub provider: String,
}

/// What was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Whether the vendor did not tell, and they were counted here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

/// The use of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedSecret {
    /// The part of the program that wanted it.
    pub consumer: String,
    /// Its name.
    pub name: String,
    /// The secret provider that had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// That provider's version of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A decision of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedDecision {
    /// `input` or `output`.
    pub direction: &'static str,
    /// Why, as the rule's author put it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rules that decided, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// `allow`, `deny`, `require_approval`, `approved` or `transform`.
    pub verdict: &'static str,
}

impl Record {
    /// A record of `event`, now, with nothing else in it.
    #[must_use]
    pub fn new(event: Event) -> Self {
        Self {
            schema: SCHEMA,
            time: now(),
            event,
            instance: None,
            request_id: None,
            trace_id: None,
            principal: None,
            client: None,
            tool: None,
            arguments_hmac: BTreeMap::new(),
            arguments: None,
            files: Vec::new(),
            model: None,
            provider: None,
            also_asked: Vec::new(),
            tokens: None,
            cost_micro_usd: None,
            secrets: Vec::new(),
            secret: None,
            decision: None,
            outcome: None,
            code: None,
            detail: None,
            count: None,
            duration_us: None,
            bytes_in: None,
            bytes_out: None,
            config_digest: None,
        }
    }
}

impl Record {
    /// A record of another event of the same call, now.
    #[must_use]
    pub fn again(&self, event: Event) -> Self {
        Self {
            time: now(),
            event,
            ..self.clone()
        }
    }
}

/// Now, to the microsecond.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_record_of_a_call_differs_in_event_and_time_only() {
        let mut accepted = Record::new(Event::CallAccepted);
        accepted.time = Timestamp::UNIX_EPOCH;
        accepted.request_id = Some("r".to_owned());
        let mut again = accepted.again(Event::CallEnded);
        assert_eq!(again.event, Event::CallEnded);
        assert!(again.time > accepted.time);
        (again.event, again.time) = (accepted.event, accepted.time);
        assert_eq!(
            serde_json::to_value(again).unwrap(),
            serde_json::to_value(accepted).unwrap()
        );
    }

    #[test]
    fn an_event_is_named_as_it_is_written() {
        for event in Event::ALL {
            assert_eq!(serde_json::to_value(event).unwrap(), event.label());
        }
    }
}

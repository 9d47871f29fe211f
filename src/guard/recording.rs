//! What the guard tells the audit of a call, from its arrival to its end.
//!
//! A [`Passage`] goes with the call and knows what is known of it so far, so that every record of
//! the call says the same. Whatever becomes of the call, its end is recorded: also where nobody
//! waits for it any longer.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Caller, policy::Decision, redaction::Redactor, refusal::Refusal};
use crate::{
    audit::{
        Audit, Event, Pending, Record, RecordedAttempt, RecordedClient, RecordedDecision,
        RecordedFile, RecordedPrincipal, Tokens, hexadecimal,
    },
    call::CallIdentity,
    guard::redaction::Direction,
    models::{Fallback, Selected},
    settings::milliseconds,
    tools::{AnsweredBy, FileError, Plan, PlannedFile, Spent, ToolError},
};

/// The longest text of a client's own that is recorded, in characters.
const MAX_CHARS: usize = 128;

/// Makes keyed hashes of arguments, so that a record tells equal values from others and nothing
/// else of them.
pub trait HashArguments: Send + Sync {
    /// The hash of each argument, by its name; `None` if the key cannot be had.
    fn each<'a>(
        &'a self,
        arguments: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>>;

    /// One hash for all of them together, under the name `""`.
    fn whole<'a>(
        &'a self,
        arguments: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>>;
}

/// The audit, as the guard writes to it.
pub struct Recording {
    /// Where records go.
    pub audit: Arc<Audit>,
    /// How arguments are hashed.
    pub hashes: Arc<dyn HashArguments>,
    /// Whether records also hold the arguments, redacted.
    pub clear_arguments: bool,
    /// Takes out of a client's own words what must not be kept.
    pub redactor: Arc<Redactor>,
}

/// A call on its way.
pub(super) struct Passage<'a> {
    recording: &'a Recording,
    /// Its identity.
    pub(super) identity: CallIdentity,
    base: Record,
    started: Instant,
    has_ended: bool,
    /// Which files could not be read, and why.
    unread: Option<String>,
}

impl Recording {
    /// Takes up a call. Nothing is recorded yet.
    pub(super) fn begin(&self, tool: &str, caller: &Caller) -> Passage<'_> {
        let identity = CallIdentity {
            request_id: uuid::Uuid::new_v4().simple().to_string(),
            tool: tool.to_owned(),
            principal: caller.principal.id.clone(),
        };
        let mut base = self.base(caller);
        base.request_id = Some(identity.request_id.clone());
        base.tool = Some(self.quoted(tool));
        Passage {
            recording: self,
            identity,
            base,
            started: Instant::now(),
            has_ended: false,
            unread: None,
        }
    }

    /// Records a message that could not be read. Does not wait: it is refused in any case.
    pub(super) fn unreadable(&self, caller: &Caller, code: &'static str) {
        let mut record = self.base(caller).again(Event::MessageRefused);
        record.outcome = Some("refused");
        record.code = Some(code.to_owned());
        drop(self.audit.enqueue(record));
    }

    /// What every record of a caller says.
    fn base(&self, caller: &Caller) -> Record {
        let mut record = Record::new(Event::CallEnded);
        let principal = &caller.principal;
        record.principal = Some(RecordedPrincipal {
            id: principal.id.clone(),
            kind: Some(principal.kind.label()),
            groups: principal.groups.clone(),
        });
        record.client = caller.client.as_ref().map(|client| RecordedClient {
            name: self.quoted(&client.name),
            version: self.quoted(&client.version),
        });
        record.trace_id.clone_from(&caller.trace_id);
        record
    }

    /// A client's own words: cut, and without what must not be kept.
    fn quoted(&self, text: &str) -> String {
        let cut: String = text.chars().take(MAX_CHARS).collect();
        self.cleaned(&cut)
    }

    /// Words without what must not be kept.
    fn cleaned(&self, text: &str) -> String {
        self.redactor.text(Direction::Audit, text).text.into_owned()
    }
}

impl Passage<'_> {
    /// Notes how large the arguments are.
    pub(super) fn received(&mut self, arguments: &Map<String, Value>) {
        if self.recording.audit.is_on() {
            let bytes = serde_json::to_vec(arguments).map(|json| json.len() as u64);
            self.base.bytes_in = bytes.ok();
        }
    }

    /// Notes arguments that do not fit their schema, or belong to no tool: their hash, as one.
    pub(super) async fn unfit(&mut self, arguments: &Map<String, Value>) -> Result<(), Refusal> {
        if self.recording.audit.is_on() {
            let hashes = self.recording.hashes.whole(arguments).await;
            self.base.arguments_hmac = hashes.ok_or(Refusal::NotRecorded)?;
        }
        Ok(())
    }

    /// Notes what the call would use.
    pub(super) fn planned(&mut self, plan: &Plan) {
        self.base.model = plan.model().map(str::to_owned);
        self.base.provider = plan.provider().map(str::to_owned);
        self.base.secrets = plan.secrets();
        let recorded = |file: &PlannedFile| RecordedFile {
            path: self.recording.cleaned(&file.path),
            size: file.size,
            sha256: hexadecimal(&file.digest),
        };
        self.base.files = plan.files.iter().map(recorded).collect();
    }

    /// Notes that a file could not be read, and what the files would be called.
    pub(super) fn unread(&mut self, error: &FileError, names: impl Iterator<Item = String>) {
        let names: Vec<String> = names.collect();
        self.unread = Some(format!("{error}: {}", names.join(", ")));
    }

    /// Records that the call is accepted. It must not run before the record is kept.
    pub(super) async fn accepted(
        &mut self,
        arguments: &Map<String, Value>,
    ) -> Result<Option<Pending>, Refusal> {
        if !self.recording.audit.is_on() {
            return Ok(None);
        }
        let hashes = self.recording.hashes.each(arguments).await;
        self.base.arguments_hmac = hashes.ok_or(Refusal::NotRecorded)?;
        let mut record = self.record(Event::CallAccepted);
        if self.recording.clear_arguments {
            let mut clear = Value::Object(arguments.clone());
            self.recording
                .redactor
                .document(Direction::Audit, &mut clear, &[]);
            record.arguments = Some(clear);
        }
        Ok(Some(self.recording.audit.enqueue(record)))
    }

    /// Records a decision of the policy.
    pub(super) fn decided(
        &self,
        direction: &'static str,
        decision: &Decision,
        is_approved: bool,
    ) -> Pending {
        let record = self.decision(direction, decision, is_approved);
        self.recording.audit.enqueue(record)
    }

    fn decision(&self, direction: &'static str, decision: &Decision, is_approved: bool) -> Record {
        let mut record = self.record(Event::PolicyDecision);
        record.decision = Some(RecordedDecision {
            direction,
            verdict: if is_approved {
                "approved"
            } else {
                decision.verdict.label()
            },
            rules: decision.rules.clone(),
            reason: decision.reason.clone(),
        });
        record.detail.clone_from(&decision.detail);
        if decision.is_error {
            record.code = Some("policy_error".to_owned());
        }
        record
    }

    /// Records a decision of the policy on a model that may be asked in the first one's place.
    pub(super) fn decided_on(&self, other: &Selected, decision: &Decision) -> Pending {
        let mut record = self.decision("input", decision, false);
        record.model = Some(other.model.clone());
        record.provider = Some(other.provider.name().to_owned());
        self.recording.audit.enqueue(record)
    }

    /// Records what was found on its way out.
    pub(super) fn redacted(&self, direction: &'static str, what: String) -> Pending {
        let mut record = self.record(Event::Redaction);
        record.code = Some(direction.to_owned());
        record.detail = Some(what);
        self.recording.audit.enqueue(record)
    }

    /// Notes which model answered: it may be another than was asked first.
    pub(super) fn answered_by(&mut self, by: &AnsweredBy) {
        self.base.model = Some(by.model.clone());
        self.base.provider = Some(by.provider.clone());
        self.base.also_asked = attempts(&by.instead_of);
    }

    /// Notes what the answer took.
    pub(super) fn spent(&mut self, spent: Spent) {
        self.base.tokens = Some(Tokens {
            input: spent.usage.input_tokens,
            output: spent.usage.output_tokens,
            estimated: spent.usage.is_estimate,
        });
        self.base.cost_micro_usd = spent.cost.map(|cost| cost.0);
    }

    /// Records that the call is answered. The answer must not leave before the record is kept.
    pub(super) async fn answered(&mut self, text: &str) -> Result<(), Refusal> {
        let mut record = self.end("answered", None);
        record.bytes_out = Some(text.len() as u64);
        let kept = self.recording.audit.enqueue(record);
        kept.kept().await.map_err(|_| Refusal::NotRecorded)?;
        let CallIdentity {
            request_id,
            tool,
            principal,
        } = &self.identity;
        let elapsed_ms = milliseconds(self.elapsed());
        tracing::info!(request_id, tool, principal, elapsed_ms, "call answered");
        Ok(())
    }

    /// Records that the call got no answer, and why.
    pub(super) async fn refused(&mut self, refusal: &Refusal) -> Result<(), Refusal> {
        let mut record = self.end(refusal.outcome(), Some(refusal.code()));
        if let Refusal::Failed(ToolError::Model(error)) = refusal {
            record.also_asked = attempts(&error.about.also_asked);
        }
        if let Some(unread) = &self.unread {
            record.detail = Some(self.recording.cleaned(unread));
        }
        let kept = self.recording.audit.enqueue(record).kept().await;
        self.log(refusal);
        kept.map_err(|_| Refusal::NotRecorded)
    }

    fn log(&self, refusal: &Refusal) {
        let CallIdentity {
            request_id,
            principal,
            ..
        } = &self.identity;
        // The tool may be any text of the client's: as it is recorded, not as it was sent.
        let tool = self.base.tool.as_deref();
        let (code, elapsed_ms) = (refusal.code(), milliseconds(self.elapsed()));
        match refusal {
            Refusal::UnknownTool => tracing::info!(request_id, principal, "refused: unknown tool"),
            Refusal::Failed(_) => {
                let detail = refusal.operator();
                tracing::warn!(
                    request_id,
                    tool,
                    principal,
                    elapsed_ms,
                    code,
                    detail,
                    "call failed"
                );
            }
            _ => tracing::warn!(
                request_id,
                tool,
                principal,
                elapsed_ms,
                code,
                "call refused"
            ),
        }
    }

    fn end(&mut self, outcome: &'static str, code: Option<&str>) -> Record {
        self.has_ended = true;
        let mut record = self.record(Event::CallEnded);
        record.outcome = Some(outcome);
        record.code = code.map(str::to_owned);
        record.duration_us = Some(u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX));
        record
    }

    fn record(&self, event: Event) -> Record {
        self.base.again(event)
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

fn attempts(asked: &[Fallback]) -> Vec<RecordedAttempt> {
    let attempt = |asked: &Fallback| RecordedAttempt {
        because: asked.because.to_owned(),
        model: asked.model.clone(),
        provider: asked.provider.clone(),
    };
    asked.iter().map(attempt).collect()
}

impl Drop for Passage<'_> {
    /// Its client cancelled the call or left, or the process ends. Nobody can wait for this
    /// record; it is in its place in the order, and is kept if anything is.
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let record = self.end("cancelled", None);
        drop(self.recording.audit.enqueue(record));
        let CallIdentity {
            request_id,
            principal,
            ..
        } = &self.identity;
        let tool = self.base.tool.as_deref();
        tracing::info!(request_id, tool, principal, "call cancelled");
    }
}

//! The audit: one record for everything that an auditor must be able to ask about, kept where its
//! alteration shows.
//!
//! It is written to by the guard (calls, decisions) and by the broker (uses of secrets), and knows
//! neither. What must not happen unrecorded waits for [`Audit`]'s answer. No value of a
//! secret and no argument in clear text gets here unless the guard redacted it first.

mod bounds;
mod canonical;
mod chain;
mod checkpoint;
mod config;
mod dispatcher;
mod hash;
mod hasher;
mod lane;
mod lines;
mod query;
mod record;
mod shown;
mod sink;
mod sinks;
mod verify;

pub use chain::{BadLine, Chain, Unsealable};
pub use checkpoint::{
    Checkpoint, InvalidNote, InvalidSigningKey, InvalidVerifierKey, SignedNote, VerifierKey,
};
pub use config::{AuditSettings, OnFailure, SinkSettings};
pub use dispatcher::{Audit, NotRecorded, Pending};
pub use hash::Hash;
pub(crate) use hash::hexadecimal;
pub use hasher::{hash_arguments, hash_value};
pub use query::{Filter, Format, InvalidMoment, Query, QueryError, Summary, parse_moment, query};
pub use record::{
    Event, Record, RecordedAttempt, RecordedClient, RecordedDecision, RecordedFile,
    RecordedPrincipal, RecordedSecret, Tokens,
};
pub use sink::{Sink, SinkError};
pub use sinks::{
    CheckpointSettings, Credential, Facility, FileSettings, FileSink, Fsync, HttpSink,
    HttpSinkSettings, OtlpSettings, OtlpSink, Seal, SigningKey, StdoutSettings, StdoutSink,
    SyslogSettings, SyslogSink,
};
pub use verify::{Fault, FaultKind, Report, Unfinished, Unverifiable, Verification, verify};

use shown::shown;

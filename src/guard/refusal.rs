//! Why a call did not get an answer, and the one place that says what its client and what the audit
//! are told of it.

use super::{ApprovalRequest, Outcome};
use crate::tools::ToolError;

/// A step of the corridor that a call did not pass.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Too many calls run.
    Busy,
    /// The client named a tool that does not exist.
    UnknownTool,
    /// The arguments do not fit; the text tells each place and what was expected.
    Invalid(String),
    /// The policy forbids the call.
    Denied {
        /// Why, as the rule's author put it.
        reason: String,
        /// Whether it was because a rule could not be evaluated.
        is_error: bool,
    },
    /// The policy wants a person's approval, and there is none yet.
    NeedsApproval(ApprovalRequest),
    /// A person was to approve the call and did not, or could not be asked; says which.
    NotApproved(&'static str),
    /// The arguments hold what must not leave.
    Blocked(String),
    /// What happened could not be recorded, so it does not happen.
    NotRecorded,
    /// The tool failed.
    Failed(ToolError),
}

impl Refusal {
    /// How the call ended, for the audit.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Busy
            | Self::UnknownTool
            | Self::Invalid(_)
            | Self::NotApproved(_)
            | Self::NotRecorded => "refused",
            Self::Denied { .. } => "denied",
            Self::NeedsApproval(_) => "approval_required",
            Self::Blocked(_) => "blocked",
            Self::Failed(_) => "failed",
        }
    }

    /// A short, stable word for logs and the audit.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::UnknownTool => "unknown_tool",
            Self::Invalid(_) => "invalid_arguments",
            Self::Denied { is_error: true, .. } => "policy_error",
            Self::Denied { .. } => "policy",
            Self::NeedsApproval(_) => "approval_required",
            Self::NotApproved(code) => code,
            Self::Blocked(_) => "redaction",
            Self::NotRecorded => "not_recorded",
            Self::Failed(error) => error.code(),
        }
    }

    /// What happened, for the operator's log.
    pub(super) fn operator(&self) -> Option<String> {
        match self {
            Self::Failed(error) => Some(error.operator()),
            _ => None,
        }
    }

    /// What the client is told.
    pub(super) fn outcome_for_client(self, request_id: &str) -> Outcome {
        let text = match self {
            Self::UnknownTool => return Outcome::UnknownTool,
            Self::NeedsApproval(request) => return Outcome::ApprovalRequired(request),
            Self::Busy => "too many calls run at once; try again in a moment".to_owned(),
            Self::NotApproved(_) => "the call was not approved".to_owned(),
            Self::Invalid(problems) => format!("invalid arguments: {problems}"),
            Self::Denied { reason, .. } => format!("{reason} (request id {request_id})"),
            Self::Blocked(what) => format!("{what} (request id {request_id})"),
            Self::NotRecorded => format!(
                "the call cannot be recorded in the audit at the moment, so it was not answered; \
                 try again later, or ask the operator (request id {request_id})"
            ),
            Self::Failed(error) => format!("{error} (request id {request_id})"),
        };
        Outcome::Error { text }
    }
}

//! What the policy says of a call or of its answer.

use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// What the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may go on as it is.
    Allow,
    /// It may not.
    Deny,
    /// It may if the person at the client agrees. Of calls only.
    RequireApproval,
    /// It may go on; fields were changed. Of answers only.
    Transform,
}

impl Verdict {
    /// One word, for audit and people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::RequireApproval => "require_approval",
            Self::Transform => "transform",
        }
    }
}

/// What the policy says, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What it says.
    pub verdict: Verdict,
    /// The rules that decided, by id. None: the default did.
    pub rules: Vec<String>,
    /// Why, in words that the client may be told.
    pub reason: Option<String>,
    /// A rule could not be evaluated, which denies.
    pub is_error: bool,
    /// For the operator: which rules could not be evaluated, and why. It holds no values.
    pub detail: Option<String>,
}

/// What a client is told when a rule could not be evaluated.
const FAILED: &str =
    "A rule of the policy could not be evaluated, so the call is refused. Ask the operator.";

/// What a client is told when no rule allows a call and the default is to deny.
const NOT_ALLOWED: &str = "No rule of the policy allows this call.";

/// Of how many rules that failed the operator is told why.
const TOLD_FAILURES: usize = 5;

impl Decision {
    pub(super) fn allow(rules: Vec<String>) -> Self {
        Self {
            verdict: Verdict::Allow,
            rules,
            reason: None,
            is_error: false,
            detail: None,
        }
    }

    pub(super) fn not_allowed() -> Self {
        Self {
            verdict: Verdict::Deny,
            reason: Some(NOT_ALLOWED.to_owned()),
            ..Self::allow(Vec::new())
        }
    }

    /// A denial since `failures` had no value.
    pub(super) fn failed(failures: &[(&str, Failure)]) -> Self {
        let told = failures.iter().take(TOLD_FAILURES);
        let mut told: Vec<String> = told
            .map(|(id, why)| format!("rule `{id}`: {why}"))
            .collect();
        if failures.len() > TOLD_FAILURES {
            told.push(format!("and {} more", failures.len() - TOLD_FAILURES));
        }
        Self {
            verdict: Verdict::Deny,
            rules: failures.iter().map(|(id, _)| (*id).to_owned()).collect(),
            reason: Some(FAILED.to_owned()),
            is_error: true,
            detail: Some(told.join("; ")),
        }
    }

    /// A denial since the policy does not know the tool.
    pub(super) fn unknown_tool() -> Self {
        Self {
            detail: Some(Failure::UnknownTool.to_string()),
            ..Self::failed(&[])
        }
    }
}

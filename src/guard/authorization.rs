//! Authorization: what becomes of a valid call by the policy's decision.
//!
//! The decision is made in `policy`; here stands the door that it opens. No call runs without
//! having passed it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    ApprovalKey, ApprovalRequest, Validated, approval,
    policy::{Decision, Verdict},
    refusal::Refusal,
};
use crate::tools::{Plan, Tool};

/// A call that may run. Only [`authorize`] makes one.
pub struct Authorized {
    tool: Arc<dyn Tool>,
    arguments: Map<String, Value>,
    plan: Plan,
}

/// Lets a call on, if `decision` allows it, or wants an approval that `is_approved` knows of.
pub(super) fn authorize(
    validated: Validated,
    plan: Plan,
    decision: &Decision,
    principal: &str,
    is_approved: impl FnOnce(&ApprovalKey) -> bool,
) -> Result<Authorized, Refusal> {
    match decision.verdict {
        Verdict::Allow | Verdict::Transform => {}
        Verdict::Deny => return Err(denied(decision)),
        Verdict::RequireApproval => {
            let (tool, model) = (validated.tool_name(), plan.model());
            let asked = approval::asked(
                principal,
                tool,
                validated.arguments(),
                [model, plan.provider()],
                &plan.files,
                &decision.rules,
            );
            let key = ApprovalKey::of(&asked).ok_or_else(|| denied(decision))?;
            if !is_approved(&key) {
                let question = approval::question(tool, model, decision.reason.as_deref());
                return Err(Refusal::NeedsApproval(ApprovalRequest {
                    key,
                    question,
                    arguments: approval::beginning(validated.arguments())
                        + &approval::told_of(&plan.files),
                }));
            }
        }
    }
    let (tool, arguments) = validated.into_parts();
    Ok(Authorized {
        tool,
        arguments,
        plan,
    })
}

/// The refusal that a denying decision amounts to.
pub(super) fn denied(decision: &Decision) -> Refusal {
    let reason = decision.reason.clone();
    Refusal::Denied {
        reason: reason.unwrap_or_else(|| "the policy does not allow this call".to_owned()),
        is_error: decision.is_error,
    }
}

impl Authorized {
    pub(super) fn into_parts(self) -> (Arc<dyn Tool>, Map<String, Value>, Plan) {
        (self.tool, self.arguments, self.plan)
    }
}

//! Authorization: whether a valid call may run.
//!
//! Rules come later; the door they will stand in is here, so that no call can be run without
//! having passed it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Validated;
use crate::tools::Tool;

/// The rules in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Every valid call runs. The start log says so.
    AllowAll,
}

/// A call that may run. Only [`authorize`] makes one.
pub struct Authorized {
    tool: Arc<dyn Tool>,
    arguments: Map<String, Value>,
}

/// The policy's refusal, in words for the client.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// Why, as the rule's author put it.
    pub reason: String,
}

/// Decides on a call.
///
/// # Errors
/// [`Denied`] if the policy refuses the call; [`Policy::AllowAll`] never does.
pub fn authorize(validated: Validated, policy: &Policy) -> Result<Authorized, Denied> {
    match policy {
        Policy::AllowAll => {
            let (tool, arguments) = validated.into_parts();
            Ok(Authorized { tool, arguments })
        }
    }
}

impl Authorized {
    pub(super) fn into_parts(self) -> (Arc<dyn Tool>, Map<String, Value>) {
        (self.tool, self.arguments)
    }
}

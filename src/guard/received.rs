//! A call as it came from a client: nothing about it is known to be true.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::ApprovalKey;
use crate::call::{ClientInfo, Principal};

/// Who calls, as the transport knows.
#[derive(Debug, Clone)]
pub struct Caller {
    /// On whose behalf.
    pub principal: Arc<Principal>,
    /// With which program, as that says of itself.
    pub client: Option<ClientInfo>,
    /// The client's trace: the `trace-id` of W3C Trace Context, 32 hexadecimal digits.
    pub trace_id: Option<String>,
}

/// A client's call, unchecked.
pub struct Received {
    /// The tool's name as the client wrote it.
    pub tool: String,
    /// The arguments as the client wrote them.
    pub arguments: Map<String, Value>,
    /// Who calls.
    pub caller: Caller,
    /// Whether this very call was approved. Asked only where the policy wants an approval.
    pub is_approved: Box<dyn Fn(&ApprovalKey) -> bool + Send + Sync>,
}

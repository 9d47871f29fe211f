//! How a call ended, as far as the client may know.

use serde_json::Value;

use super::ApprovalRequest;

/// What the transport tells the client.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// The tool's answer.
    Answer {
        /// Readable text.
        text: String,
        /// The same, as an object of the tool's output schema.
        structured: Value,
    },
    /// The call failed or was refused; the text says what to do.
    Error {
        /// For the client: no key, no path of the host, no internal name.
        text: String,
    },
    /// The call may run once a person has approved it.
    ApprovalRequired(ApprovalRequest),
    /// The client named a tool that does not exist: a protocol error.
    UnknownTool,
}

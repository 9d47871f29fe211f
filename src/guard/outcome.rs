//! How a call ended, as far as the client may know, and the one place that maps errors to it.

use serde_json::Value;

use crate::tools::{ToolAnswer, ToolError};

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
    /// The client named a tool that does not exist: a protocol error.
    UnknownTool,
}

impl Outcome {
    pub(super) fn answer(answer: ToolAnswer) -> Self {
        Self::Answer {
            text: answer.text,
            structured: answer.structured,
        }
    }

    /// An error that the client can mend itself.
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self::Error { text: text.into() }
    }

    /// An error for which the client may have to ask the operator, who finds it by the id.
    pub(super) fn failed(error: &ToolError, request_id: &str) -> Self {
        Self::Error {
            text: format!("{error} (request id {request_id})"),
        }
    }
}

//! A call as it came from a client: nothing about it is known to be true.

use serde_json::{Map, Value};

/// A client's call, unchecked.
#[derive(Debug)]
pub struct Received {
    /// The tool's name as the client wrote it.
    pub tool: String,
    /// The arguments as the client wrote them.
    pub arguments: Map<String, Value>,
    /// On whose behalf, as the transport knows: `local` for stdio, `http` for a bearer token.
    pub principal: &'static str,
}

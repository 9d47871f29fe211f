//! What a client is told of a tool, read from the data files in `definitions/`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A tool's name, description and schemas, exactly as they are advertised.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolDefinition {
    /// 1 to 40 characters of `a-z 0-9 _`.
    pub name: String,
    /// A short title for people.
    pub title: String,
    /// What it does and when to use it, for the model that decides.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments; an object without combinators at its root.
    pub input_schema: Arc<Map<String, Value>>,
    /// JSON Schema 2020-12 of the structured answer.
    pub output_schema: Arc<Map<String, Value>>,
    /// Hints for clients.
    pub annotations: Annotations,
    /// What sort of tool it is, for policy; not advertised.
    pub tags: Vec<String>,
}

/// Hints that MCP lets a server give about a tool.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only_hint: bool,
    /// It talks to systems outside.
    pub open_world_hint: bool,
}

/// A data file in `definitions/` is broken: a fault of the build, not of a user.
#[derive(Debug, thiserror::Error)]
#[error("a tool's definition is broken: {0}")]
pub struct InvalidDefinition(#[from] serde_json::Error);

impl ToolDefinition {
    /// Reads a definition from its data file.
    ///
    /// # Errors
    /// If the file is not of the expected form.
    pub fn parse(json: &str) -> Result<Self, InvalidDefinition> {
        Ok(serde_json::from_str(json)?)
    }
}

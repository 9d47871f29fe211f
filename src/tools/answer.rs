//! What a tool gives back: an answer, or an error told twice (for the client and for the operator).

use serde_json::Value;

use super::FileError;
use crate::models::{Cost, Fallback, ModelError, Usage};

/// A tool's answer. What people read of it is made from the structure by [`Tool::text`], after
/// the guard has taken out what must not leave: so both carry the same facts.
///
/// [`Tool::text`]: super::Tool::text
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// An object that matches the tool's output schema.
    pub structured: Value,
    /// The model that answered, if one did.
    pub by: Option<AnsweredBy>,
    /// What the answer took, where a vendor told.
    pub spent: Option<Spent>,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredBy {
    /// The model's name.
    pub model: String,
    /// The model provider's name in configuration.
    pub provider: String,
    /// Who was asked before and did not.
    pub instead_of: Vec<Fallback>,
}

/// What an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Tokens, as the vendor counted them.
    pub usage: Usage,
    /// What they cost, if a price is known.
    pub cost: Option<Cost>,
}

/// Why a tool could not answer. `Display` is for the client.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The model or its provider failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file that the call names cannot be had.
    #[error(transparent)]
    File(#[from] FileError),
    /// A fault of ours: arguments that passed the schema do not fit the tool.
    #[error("internal error")]
    Internal(&'static str),
}

impl ToolError {
    /// What happened, for the operator's log.
    #[must_use]
    pub fn operator(&self) -> String {
        match self {
            Self::Model(error) => error.operator(),
            Self::File(error) => format!("{}: {error}", error.code()),
            Self::Internal(what) => (*what).to_owned(),
        }
    }

    /// A short, stable word for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Internal(_) => "internal",
        }
    }
}

//! What is asked of a model and what it answers, the same for every wire protocol.

use serde::Serialize;

/// One question to one model.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// The model's name as its provider knows it.
    pub model: String,
    /// The user's text.
    pub prompt: String,
    /// Instructions that come before it.
    pub system_prompt: Option<String>,
    /// Sampling temperature, 0 to 2; `None` leaves it to the vendor.
    pub temperature: Option<f64>,
    /// The most tokens the answer may have; `None` leaves it to the vendor.
    pub max_output_tokens: Option<u32>,
}

/// A model's whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completion {
    /// The answer's text.
    pub answer: String,
    /// The model that answered.
    pub model: String,
    /// The model provider's name in configuration.
    pub provider: String,
    /// Tokens, if the vendor told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why it ended: `stop`, `length`, `content_filter`, `tool_calls` or `unknown`.
    pub finish_reason: &'static str,
}

/// Tokens of one call, as the vendor counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

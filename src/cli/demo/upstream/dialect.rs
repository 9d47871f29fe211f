//! The two dialects, and how strictly each is read.
//!
//! `OpenAi` refuses what OpenAI's own service refuses, in its words. `Ollama` takes the fields
//! that Ollama documents for its compatible endpoint (docs.ollama.com/api/openai-compatibility);
//! the real one ignores any other, this one refuses it, so that a dialect mixed up shows.

use serde_json::{Value, json};

/// Whose requests are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI itself: a key, `max_completion_tokens`, fixed temperatures.
    #[default]
    OpenAi,
    /// Ollama and its like: no key, `max_tokens`.
    Ollama,
}

/// A model that the stand-in pretends to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandInModel {
    /// Its name.
    pub name: String,
    /// Whether a temperature other than 1 is refused.
    pub fixed_temperature: bool,
}

impl StandInModel {
    /// A model that takes any temperature.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            fixed_temperature: false,
        }
    }
}

/// An error to answer with.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// What an accepted request asks for.
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) prompt_words: usize,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) max_words: Option<u64>,
}

const COMMON_FIELDS: [&str; 13] = [
    "model",
    "messages",
    "frequency_penalty",
    "presence_penalty",
    "response_format",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "tools",
    "reasoning_effort",
];
const OPENAI_FIELDS: [&str; 9] = [
    "max_completion_tokens",
    "max_tokens",
    "n",
    "user",
    "store",
    "metadata",
    "logprobs",
    "top_logprobs",
    "service_tier",
];
const OLLAMA_FIELDS: [&str; 2] = ["max_tokens", "reasoning"];

impl Dialect {
    pub(super) fn refusal(
        status: u16,
        message: impl Into<String>,
        param: Option<&str>,
        code: Option<&str>,
    ) -> Refusal {
        let kind = if status == 429 {
            "rate_limit_error"
        } else {
            "invalid_request_error"
        };
        let error =
            json!({ "message": message.into(), "type": kind, "param": param, "code": code });
        Refusal {
            status,
            body: json!({ "error": error }),
        }
    }

    /// Reads a request's body.
    pub(super) fn read(self, body: &Value, models: &[StandInModel]) -> Result<Asked, Refusal> {
        let bad = |message: String, param: &str, code: &str| {
            Err(Self::refusal(400, message, Some(param), Some(code)))
        };
        let Some(fields) = body.as_object() else {
            return Err(Self::refusal(
                400,
                "We could not parse the JSON body.",
                None,
                None,
            ));
        };
        let own: &[&str] = match self {
            Self::OpenAi => &OPENAI_FIELDS,
            Self::Ollama => &OLLAMA_FIELDS,
        };
        let known = |field: &&String| {
            COMMON_FIELDS.contains(&field.as_str()) || own.contains(&field.as_str())
        };
        if let Some(field) = fields.keys().find(|field| !known(field)) {
            let message = format!("Unrecognized request argument supplied: {field}");
            return bad(message, field, "unknown_parameter");
        }
        let name = fields
            .get("model")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(model) = models.iter().find(|model| model.name == name) else {
            return Err(match self {
                Self::OpenAi => Self::refusal(
                    404,
                    format!("The model `{name}` does not exist or you do not have access to it."),
                    None,
                    Some("model_not_found"),
                ),
                Self::Ollama => Self::refusal(404, format!("model '{name}' not found"), None, None),
            });
        };
        if self == Self::OpenAi && fields.contains_key("max_tokens") {
            let message = "Unsupported parameter: 'max_tokens' is not supported with this model. \
                           Use 'max_completion_tokens' instead.";
            return bad(message.to_owned(), "max_tokens", "unsupported_parameter");
        }
        if let Some(temperature) = fields.get("temperature") {
            let value = temperature.as_f64().unwrap_or(f64::NAN);
            if model.fixed_temperature && value != 1.0 {
                let message = format!(
                    "Unsupported value: 'temperature' does not support {value} with this model. \
                     Only the default (1) value is supported."
                );
                return bad(message, "temperature", "unsupported_value");
            }
            if !(0.0..=2.0).contains(&value) {
                return bad(
                    "Invalid 'temperature'.".to_owned(),
                    "temperature",
                    "invalid_value",
                );
            }
        }
        let stream = fields
            .get("stream")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let options = fields.get("stream_options");
        if options.is_some() && !stream {
            let message =
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return bad(message.to_owned(), "stream_options", "invalid_value");
        }
        let limit = fields
            .get("max_completion_tokens")
            .or_else(|| fields.get("max_tokens"));
        if limit.is_some_and(|limit| limit.as_u64().is_none_or(|limit| limit == 0)) {
            let message = "Invalid limit: expected an integer above or equal to 1.";
            return bad(
                message.to_owned(),
                "max_completion_tokens",
                "integer_below_min_value",
            );
        }
        Ok(Asked {
            model: model.name.clone(),
            prompt_words: self.words(fields.get("messages"))?,
            stream,
            include_usage: options.and_then(|o| o.get("include_usage")) == Some(&Value::Bool(true)),
            max_words: limit.and_then(Value::as_u64),
        })
    }

    /// Counts the words of well-formed messages.
    fn words(self, messages: Option<&Value>) -> Result<usize, Refusal> {
        let bad = |message: &str| {
            Err(Self::refusal(
                400,
                message,
                Some("messages"),
                Some("invalid_value"),
            ))
        };
        let roles: &[&str] = match self {
            Self::OpenAi => &["system", "developer", "user", "assistant", "tool"],
            Self::Ollama => &["system", "user", "assistant", "tool"],
        };
        let messages = messages
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if messages.is_empty() {
            return bad("Invalid 'messages': expected an array with at least one message.");
        }
        let mut words = 0;
        for message in messages {
            let role = message
                .get("role")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !roles.contains(&role) {
                return bad("Invalid value: 'role'.");
            }
            match message.get("content").and_then(Value::as_str) {
                Some(content) => words += content.split_whitespace().count(),
                None => return bad("Invalid type for 'content': expected a string."),
            }
        }
        Ok(words)
    }
}

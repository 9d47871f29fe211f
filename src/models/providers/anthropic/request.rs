//! The body of a request. What was not given is left out, but for the limit of the answer, which
//! the vendor demands.

use serde::Serialize;
use serde_json::Value;

use crate::models::{Image, Level, ModelErrorKind, Thinking, providers::http::Asked};

/// The limit of an answer where neither the caller nor the catalogue says one: what the oldest
/// model that is still served can write.
const DEFAULT_MAX_TOKENS: u32 = 4096;
/// Where nobody says how much a model can write, thinking is given room for so much.
const UNSAID_MAX_TOKENS: u32 = 32_000;

/// Where the API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::models::providers) enum Variant {
    /// At Anthropic.
    Direct,
    /// At Google, where the model stands in the address and the version in the body
    /// (platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai).
    Vertex,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_version: Option<&'static str>,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<[System<'a>; 1]>,
    messages: [Message<'a>; 1],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
}

#[derive(Serialize)]
struct System<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct CacheControl {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Image { source: Source<'a> },
    Text { text: &'a str },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Base64 {
        media_type: &'static str,
        data: &'a str,
    },
    Url {
        url: &'a str,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ThinkingConfig {
    Enabled { budget_tokens: u32 },
    Adaptive,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonSchema { schema: &'a Value },
}

pub(in crate::models::providers) fn body(
    asked: &Asked<'_>,
    variant: Variant,
) -> Result<Vec<u8>, ModelErrorKind> {
    let request = asked.request;
    let (thinking, effort) = thinking(asked)?;
    if thinking.is_some() && request.temperature.is_some_and(|asked| asked != 1.0) {
        return Err(refuse(
            "temperature",
            "this model takes none while it thinks; leave out one of the two",
        ));
    }
    let format = request
        .json_schema
        .as_ref()
        .map(|schema| Format::JsonSchema { schema });
    let images = request.images.iter().map(|image| Block::Image {
        source: match image {
            Image::Inline { kind, base64 } => Source::Base64 {
                media_type: kind.media_type(),
                data: base64,
            },
            Image::Address(url) => Source::Url { url },
        },
    });
    let text = Block::Text {
        text: &request.prompt,
    };
    let is_direct = variant == Variant::Direct;
    let body = Body {
        model: is_direct.then_some(request.model.as_str()),
        anthropic_version: (!is_direct).then_some("vertex-2023-10-16"),
        max_tokens: max_tokens(asked),
        system: request.system_prompt.as_deref().map(|text| {
            // Instructions are what comes again: the vendor may keep them for five minutes.
            let ephemeral = CacheControl { kind: "ephemeral" };
            [System {
                kind: "text",
                text,
                cache_control: asked.config.prompt_cache.then_some(ephemeral),
            }]
        }),
        messages: [Message {
            role: "user",
            // The vendor advises to show before one asks.
            content: images.chain([text]).collect(),
        }],
        stream: true,
        temperature: request.temperature,
        stop_sequences: &request.stop,
        thinking,
        output_config: (effort.is_some() || format.is_some()).then(|| OutputConfig {
            effort: effort.map(Level::label),
            format,
        }),
    };
    serde_json::to_vec(&body).map_err(|_| ModelErrorKind::Malformed)
}

fn refuse(argument: &'static str, reason: &str) -> ModelErrorKind {
    ModelErrorKind::InvalidArgument {
        argument: Some(argument),
        reason: Some(reason.to_owned()),
    }
}

fn max_tokens(asked: &Asked<'_>) -> u32 {
    let known = asked.model.max_output_tokens;
    let unsaid = match asked.request.thinking {
        Some(_) => UNSAID_MAX_TOKENS,
        None => DEFAULT_MAX_TOKENS,
    };
    asked.request.max_output_tokens.or(known).unwrap_or(unsaid)
}

/// How this model is asked to think: the older ones by a budget, the newer by an effort.
fn thinking(asked: &Asked<'_>) -> Result<(Option<ThinkingConfig>, Option<Level>), ModelErrorKind> {
    let Some(mode) = asked.request.thinking else {
        return Ok((None, None));
    };
    Ok(match &asked.model.thinking {
        Thinking::Budget(budget) => {
            let most = max_tokens(asked).saturating_sub(1).min(budget.max_tokens);
            if most < budget.min_tokens {
                return Err(refuse(
                    "max_output_tokens",
                    "it leaves no room to think; raise it, or leave out `thinking_mode`",
                ));
            }
            let budget_tokens = mode.tokens(budget).min(most);
            (Some(ThinkingConfig::Enabled { budget_tokens }), None)
        }
        Thinking::Adaptive(levels) | Thinking::Effort(levels) | Thinking::Level(levels) => {
            (Some(ThinkingConfig::Adaptive), mode.nearest(&levels.levels))
        }
        Thinking::Unknown => (Some(ThinkingConfig::Adaptive), Some(mode.usual())),
        Thinking::Never | Thinking::Always => (None, None),
    })
}

//! Refuses, before any key is fetched, what a model is known not to take.
//!
//! Dropping it instead would answer another question than was asked.

use crate::models::{
    Ability, CompletionRequest, Image, ModelErrorKind, ModelFacts, Temperature, Thinking,
    tokens::{self, Counter},
};

/// The most images of one request.
const MAX_IMAGES: usize = 20;
/// The most texts at which an answer ends: the fewest that a vendor takes
/// (developers.openai.com/api/reference, `stop`).
const MAX_STOPS: usize = 4;

/// `is_near`: the provider is on this machine or in the private network.
pub(super) fn check(
    request: &CompletionRequest,
    model: &ModelFacts,
    is_near: bool,
) -> Result<(), ModelErrorKind> {
    let name = &model.name;
    let refuse = |argument, reason: String| {
        Err(ModelErrorKind::InvalidArgument {
            argument: Some(argument),
            reason: Some(reason),
        })
    };
    match (request.temperature, model.temperature) {
        (Some(_), Temperature::Fixed) => {
            return refuse(
                "temperature",
                format!("the temperature of `{name}` is fixed; leave it out"),
            );
        }
        (Some(asked), Temperature::Free) if !(0.0..=2.0).contains(&asked) => {
            return refuse("temperature", "it is a number from 0 to 2".to_owned());
        }
        (Some(asked), Temperature::Range { min, max }) if !(min..=max).contains(&asked) => {
            return refuse("temperature", format!("`{name}` takes {min} to {max}"));
        }
        _ => {}
    }
    match (request.max_output_tokens, model.max_output_tokens) {
        (Some(0), _) => return refuse("max_output_tokens", "it is at least 1".to_owned()),
        (Some(asked), Some(most)) if asked > most => {
            return refuse(
                "max_output_tokens",
                format!("`{name}` answers with at most {most} tokens"),
            );
        }
        _ => {}
    }
    match (request.thinking, &model.thinking) {
        (Some(_), Thinking::Never) => {
            return refuse(
                "thinking_mode",
                format!("`{name}` does not think; leave it out"),
            );
        }
        (Some(_), Thinking::Always) => {
            return refuse(
                "thinking_mode",
                format!("how `{name}` thinks cannot be chosen; leave it out"),
            );
        }
        _ => {}
    }
    if !request.images.is_empty() && !model.may(Ability::Images) {
        return refuse("images", format!("`{name}` does not read images"));
    }
    let is_address = |image: &Image| matches!(image, Image::Address(_));
    if is_near && request.images.iter().any(is_address) {
        return refuse(
            "images",
            "this provider would fetch addresses from within the network; give a data URL"
                .to_owned(),
        );
    }
    if request.images.len() > MAX_IMAGES {
        return refuse("images", format!("at most {MAX_IMAGES} at once"));
    }
    if request.json_schema.is_some() && !model.may(Ability::Json) {
        return refuse(
            "json_schema",
            format!("`{name}` cannot be held to a schema"),
        );
    }
    if request.system_prompt.is_some() && !model.may(Ability::SystemPrompt) {
        return refuse(
            "system_prompt",
            format!("`{name}` takes no instructions apart from the prompt"),
        );
    }
    if request.stop.len() > MAX_STOPS || request.stop.iter().any(|stop| stop.trim().is_empty()) {
        return refuse(
            "stop",
            format!("at most {MAX_STOPS} texts, none of them blank"),
        );
    }
    Ok(())
}

/// So many bytes a token has at the most in any text that is worth counting: where a prompt has fewer
/// for each token that fits, only its vendor knows.
const BYTES_PER_TOKEN: u64 = 3;

/// Refuses a prompt that is known not to fit, where tokens can be counted exactly. Counting takes time,
/// so that only what hardly fits is counted.
pub(super) async fn check_length(
    request: &CompletionRequest,
    model: &ModelFacts,
    counter: &Counter,
) -> Result<(), ModelErrorKind> {
    let Some(limit) = model.context_window else {
        return Ok(());
    };
    let instructions = request.system_prompt.as_ref().map_or(0, String::len);
    let bytes = (instructions + request.prompt.len()) as u64;
    if bytes / BYTES_PER_TOKEN <= limit || !tokens::is_exact(&model.name) {
        return Ok(());
    }
    let given = counter.count(&model.name, tokens::texts(request)).await;
    if given <= limit {
        return Ok(());
    }
    Err(ModelErrorKind::ContextTooLong {
        limit: Some(limit),
        given: Some(given),
    })
}

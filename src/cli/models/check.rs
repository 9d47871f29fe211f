//! `keyward models check NAME`: asks a model for as little as its vendor allows, and tells how long it
//! took, what it used and cost, and with which version of the key.

use std::time::Instant;

use serde_json::json;

use super::named;
use crate::{
    call::{CallContext, CallIdentity},
    cli::{Exit, complain, print, world::World},
    models::CompletionRequest,
    settings::milliseconds,
};

/// The fewest tokens that all vendors let one ask for: Responses takes no fewer.
const FEWEST_TOKENS: u32 = 16;

/// Asks the model.
pub(super) async fn check(world: World, name: &str, as_json: bool) -> Exit {
    let selected = match named(&world, name) {
        Ok(selected) => selected,
        Err(exit) => return exit,
    };
    let cx = CallContext::new(CallIdentity {
        request_id: uuid::Uuid::new_v4().simple().to_string(),
        tool: "chat".to_owned(),
        principal: "operator".to_owned(),
    });
    let request = CompletionRequest {
        model: selected.model.clone(),
        prompt: "Say yes.".to_owned(),
        max_output_tokens: Some(FEWEST_TOKENS),
        ..CompletionRequest::default()
    };
    let began = Instant::now();
    let answer = selected.provider.complete(&request, &cx).await;
    let latency_ms = milliseconds(began.elapsed());
    world.broker.close().await;
    let (model, provider) = (&selected.model, selected.provider.name());
    let host = selected.provider.host();
    let completion = match answer {
        Ok(completion) => completion,
        Err(error) if as_json => {
            print(json!({
                "model": model, "provider": provider, "host": host, "answered": false,
                "latency_ms": latency_ms, "code": error.code(), "error": error.to_string(), "detail": error.operator(),
            }));
            return Exit::Invalid;
        }
        Err(error) => {
            complain(error.operator());
            return Exit::Invalid;
        }
    };
    if as_json {
        print(json!({
            "model": model, "provider": provider, "host": host, "answered": true,
            "latency_ms": latency_ms, "usage": completion.usage, "cost_usd": completion.cost, "key": completion.key,
            "finish_reason": completion.finish_reason, "instead_of": completion.instead_of,
        }));
        return Exit::Done;
    }
    print(format_args!("model     {model} via {provider}, at {host}"));
    print(format_args!("answered  in {latency_ms} ms"));
    print(match completion.usage {
        Some(usage) => format!(
            "tokens    {} in, {} out{}",
            usage.input_tokens,
            usage.output_tokens,
            if usage.is_estimate {
                ", counted here"
            } else {
                ""
            }
        ),
        None => "tokens    not told".to_owned(),
    });
    print(match completion.cost {
        Some(cost) => format!("cost      {:.6} USD by list price", cost.usd()),
        None => "cost      unknown".to_owned(),
    });
    if !completion.instead_of.is_empty() {
        print("hedged    asked twice, as `hedge_after` says; the vendor may charge for both");
    }
    print(format_args!(
        "key       {}",
        completion.key.as_deref().unwrap_or("none was sent")
    ));
    Exit::Done
}

//! The body that is written, and the headers that go along.

use serde_json::{Value, json};

use super::*;
use crate::models::{
    CompletionRequest, Image, ThinkingMode,
    providers::http::trial::{body, config, model},
};

const BUDGET: &str = "{ name: m, max_output_tokens: 64000, thinking: { budget: { min_tokens: 1024, max_tokens: 63999 } } }";
const ADAPTIVE: &str = "{ name: m, max_output_tokens: 128000, thinking: { adaptive: { levels: [low, medium, high, max] } } }";

fn written(facts: &str, request: &CompletionRequest) -> Result<Value, ModelErrorKind> {
    let config = config("anthropic", |settings| settings.prompt_cache = true);
    body(&Messages, &config, &model(facts), request)
}

fn little() -> CompletionRequest {
    CompletionRequest {
        model: "m".to_owned(),
        prompt: "What of keys?".to_owned(),
        ..Default::default()
    }
}

#[test]
fn what_is_given_is_sent_and_the_limit_that_the_vendor_demands() {
    let text = json!({ "type": "text", "text": "What of keys?" });
    assert_eq!(
        written("{ name: m }", &little()).unwrap(),
        json!({
            "model": "m", "max_tokens": 4096, "stream": true,
            "messages": [{ "role": "user", "content": [text] }],
        })
    );
    let schema = json!({ "type": "object" });
    let much = CompletionRequest {
        system_prompt: Some("Be brief.".to_owned()),
        images: vec![
            Image::parse("data:image/png;base64,iVBORw0KGgo=").unwrap(),
            Image::parse("https://site.example/a.png").unwrap(),
        ],
        temperature: Some(0.5),
        max_output_tokens: Some(100),
        stop: vec!["END".to_owned()],
        json_schema: Some(schema.clone()),
        ..little()
    };
    let image = |source: Value| json!({ "type": "image", "source": source });
    assert_eq!(
        written(BUDGET, &much).unwrap(),
        json!({
            "model": "m", "max_tokens": 100, "stream": true, "temperature": 0.5,
            "stop_sequences": ["END"],
            "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
            "messages": [{ "role": "user", "content": [
                image(json!({ "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo=" })),
                image(json!({ "type": "url", "url": "https://site.example/a.png" })),
                text,
            ] }],
            "output_config": { "format": { "type": "json_schema", "schema": schema } },
        })
    );
}

#[test]
fn each_model_is_asked_to_think_in_the_way_it_takes() {
    let thinking = |facts: &str, mode, max_output_tokens| {
        let request = CompletionRequest {
            thinking: Some(mode),
            max_output_tokens,
            ..little()
        };
        let body = written(facts, &request)?;
        Ok::<_, ModelErrorKind>((body["thinking"].clone(), body["output_config"].clone()))
    };
    let budget = |tokens: u32| {
        (
            json!({ "type": "enabled", "budget_tokens": tokens }),
            Value::Null,
        )
    };
    assert_eq!(
        thinking(BUDGET, ThinkingMode::High, None).unwrap(),
        budget(42_879)
    );
    assert_eq!(
        thinking(BUDGET, ThinkingMode::Minimal, None).unwrap(),
        budget(1024)
    );
    // The budget lies within the limit of the answer.
    assert_eq!(
        thinking(BUDGET, ThinkingMode::Max, Some(2048)).unwrap(),
        budget(2047)
    );
    assert!(thinking(BUDGET, ThinkingMode::Low, Some(1024)).is_err());
    let effort = |word: &str| (json!({ "type": "adaptive" }), json!({ "effort": word }));
    assert_eq!(
        thinking(ADAPTIVE, ThinkingMode::Max, None).unwrap(),
        effort("max")
    );
    assert_eq!(
        thinking("{ name: m }", ThinkingMode::Minimal, None).unwrap(),
        effort("low")
    );
    for none in [
        "{ name: m, thinking: never }",
        "{ name: m, thinking: always }",
    ] {
        assert!(thinking(none, ThinkingMode::Low, None).is_err(), "{none}");
    }
    let hot = CompletionRequest {
        thinking: Some(ThinkingMode::Low),
        temperature: Some(0.5),
        ..little()
    };
    assert!(written(BUDGET, &hot).is_err());
}

#[test]
fn the_version_and_the_key_are_headers_and_the_address_is_that_of_the_api() {
    assert_eq!(Messages.headers()["anthropic-version"], "2023-06-01");
    let config = config("anthropic", |_| {});
    let header = Messages.key_header(&config);
    assert!(matches!(header, KeyHeader::Named(name) if name == "x-api-key"));
    let url = Messages.url(&config, &model("{ name: m }")).unwrap();
    assert_eq!(url.as_str(), "https://api.anthropic.com/v1/messages");
}

//! The body that is written.

use serde_json::{Value, json};

use super::*;
use crate::models::{
    CompletionRequest, Image, ThinkingMode,
    providers::http::trial::{body, config, model},
};

const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

fn written(request: &CompletionRequest) -> Result<Value, ModelErrorKind> {
    let facts = model("{ name: m, thinking: { effort: { levels: [none, low, high, xhigh] } } }");
    body(&Responses, &config("openai", |_| {}), &facts, request)
}

#[test]
fn what_is_given_is_sent_and_nothing_else() {
    let little = CompletionRequest {
        model: "m".to_owned(),
        prompt: "What of keys?".to_owned(),
        ..Default::default()
    };
    let question =
        json!({ "role": "user", "content": [{ "type": "input_text", "text": "What of keys?" }] });
    assert_eq!(
        written(&little).unwrap(),
        json!({ "model": "m", "input": [question], "stream": true, "store": false })
    );
    let schema = json!({ "type": "object" });
    let much = CompletionRequest {
        system_prompt: Some("Be brief.".to_owned()),
        images: vec![
            Image::parse(PNG).unwrap(),
            Image::parse("https://site.example/a.png").unwrap(),
        ],
        temperature: Some(0.5),
        thinking: Some(ThinkingMode::Max),
        max_output_tokens: Some(100),
        json_schema: Some(schema.clone()),
        ..little.clone()
    };
    let image = |url: &str| json!({ "type": "input_image", "image_url": url, "detail": "auto" });
    assert_eq!(
        written(&much).unwrap(),
        json!({
            "model": "m", "stream": true, "store": false,
            "instructions": "Be brief.",
            "input": [{ "role": "user", "content": [
                { "type": "input_text", "text": "What of keys?" },
                image(PNG), image("https://site.example/a.png"),
            ] }],
            "temperature": 0.5, "max_output_tokens": 100,
            "reasoning": { "effort": "xhigh" },
            "text": { "format": { "type": "json_schema", "name": "answer", "schema": schema } },
        })
    );
    for wrong in [
        CompletionRequest {
            stop: vec!["x".to_owned()],
            ..little.clone()
        },
        CompletionRequest {
            max_output_tokens: Some(15),
            ..little
        },
    ] {
        assert!(matches!(
            written(&wrong),
            Err(ModelErrorKind::InvalidArgument { .. })
        ));
    }
}

#[test]
fn the_address_is_that_of_the_api() {
    let config = config("openai", |_| {});
    let url = Responses.url(&config, &model("{ name: m }")).unwrap();
    assert_eq!(url.as_str(), "https://api.openai.com/v1/responses");
}

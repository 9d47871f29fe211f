//! The body that is written, and the address.

use serde_json::{Value, json};

use super::*;
use crate::models::{
    CompletionRequest, Image, ThinkingMode,
    providers::http::trial::{body, config, model},
};

fn written(facts: &str, request: &CompletionRequest) -> Result<Value, ModelErrorKind> {
    body(
        &GenerateContent,
        &config("gemini", |_| {}),
        &model(facts),
        request,
    )
}

fn little() -> CompletionRequest {
    CompletionRequest {
        model: "m".to_owned(),
        prompt: "What of keys?".to_owned(),
        ..Default::default()
    }
}

#[test]
fn what_is_given_is_sent_and_nothing_else() {
    let text = json!({ "text": "What of keys?" });
    assert_eq!(
        written("{ name: m }", &little()).unwrap(),
        json!({ "contents": [{ "role": "user", "parts": [text] }] })
    );
    let schema = json!({ "type": "object" });
    let much = CompletionRequest {
        system_prompt: Some("Be brief.".to_owned()),
        images: vec![Image::parse("data:image/png;base64,iVBORw0KGgo=").unwrap()],
        temperature: Some(0.5),
        max_output_tokens: Some(100),
        stop: vec!["END".to_owned()],
        json_schema: Some(schema.clone()),
        ..little()
    };
    let image = json!({ "inlineData": { "mimeType": "image/png", "data": "iVBORw0KGgo=" } });
    assert_eq!(
        written("{ name: m }", &much).unwrap(),
        json!({
            "contents": [{ "role": "user", "parts": [image, text] }],
            "systemInstruction": { "parts": [{ "text": "Be brief." }] },
            "generationConfig": {
                "temperature": 0.5, "maxOutputTokens": 100, "stopSequences": ["END"],
                "responseMimeType": "application/json", "responseJsonSchema": schema,
            },
        })
    );
    let elsewhere = CompletionRequest {
        images: vec![Image::parse("https://site.example/a.png").unwrap()],
        ..little()
    };
    assert!(written("{ name: m }", &elsewhere).is_err());
}

#[test]
fn each_model_is_asked_to_think_in_the_way_it_takes() {
    let thinking = |facts: &str, mode| {
        let request = CompletionRequest {
            thinking: Some(mode),
            ..little()
        };
        written(facts, &request).unwrap()["generationConfig"]["thinkingConfig"].clone()
    };
    let budget = "{ name: m, thinking: { budget: { min_tokens: 128, max_tokens: 32768 } } }";
    assert_eq!(
        thinking(budget, ThinkingMode::Medium),
        json!({ "thinkingBudget": 10_813 })
    );
    let level = "{ name: m, thinking: { level: { levels: [low, high] } } }";
    assert_eq!(
        thinking(level, ThinkingMode::Max),
        json!({ "thinkingLevel": "HIGH" })
    );
    assert_eq!(
        thinking("{ name: m }", ThinkingMode::Minimal),
        json!({ "thinkingLevel": "LOW" })
    );
}

#[test]
fn a_model_is_part_of_the_address_and_leads_nowhere_else() {
    let config = config("gemini", |_| {});
    let url = |name: &str| {
        let facts = crate::models::ModelFacts::named(name);
        GenerateContent.url(&config, &facts).map(String::from)
    };
    let base = "https://generativelanguage.googleapis.com/v1beta/models";
    let expected = Some(format!(
        "{base}/gemini-3.8-flash:streamGenerateContent?alt=sse"
    ));
    assert_eq!(url("gemini-3.8-flash"), expected);
    for wrong in [
        "", "..", "models/m", "../x", "a/b", "a?key=b", "a#b", "a:b", "a b", "%2e",
    ] {
        assert_eq!(url(wrong), None, "{wrong}");
    }
}

//! The address and the body, and a recorded stream, cut anywhere.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};

use super::*;
use crate::models::{
    CompletionRequest, Image, ModelError, ThinkingMode,
    providers::http::trial::{body, config, cut_everywhere_as, document, model, read_as},
};

const FRAMES: &str = "application/vnd.amazon.eventstream";

fn frame(kind: &'static str, name: &'static str, payload: &Value) -> Vec<u8> {
    let header = |name: &'static str, value: &'static str| {
        Header::new(name, HeaderValue::String(value.into()))
    };
    let message = Message::new(payload.to_string())
        .add_header(header(":message-type", kind))
        .add_header(header(
            if kind == "event" {
                ":event-type"
            } else {
                ":exception-type"
            },
            name,
        ));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn event(name: &'static str, payload: &Value) -> Vec<u8> {
    frame("event", name, payload)
}

#[test]
fn a_stream_is_one_answer_however_it_is_cut() {
    let delta = |delta: Value| json!({ "contentBlockIndex": 0, "delta": delta, "p": "abc" });
    let stream = [
        event("messageStart", &json!({ "role": "assistant" })),
        event("contentBlockDelta", &delta(json!({ "reasoningContent": { "text": "hm" } }))),
        event("contentBlockDelta", &delta(json!({ "text": "Grüße, " }))),
        event("contentBlockDelta", &delta(json!({ "text": "Welt" }))),
        event("contentBlockStop", &json!({ "contentBlockIndex": 0 })),
        event("messageStop", &json!({ "stopReason": "end_turn" })),
        event("metadata", &json!({
            "usage": { "inputTokens": 9, "outputTokens": 5, "cacheReadInputTokens": 4, "totalTokens": 18 },
            "metrics": { "latencyMs": 1 },
        })),
    ]
    .concat();
    let whole = cut_everywhere_as(FRAMES, &Converse, &stream);
    assert_eq!(
        (whole.text.as_str(), whole.finish_reason),
        ("Grüße, Welt", "stop")
    );
    let usage = whole.usage.unwrap();
    assert_eq!(
        (
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_input_tokens
        ),
        (13, 5, Some(4))
    );
}

#[test]
fn an_exception_inside_a_stream_is_an_error() {
    let stream = [
        event("messageStart", &json!({ "role": "assistant" })),
        frame(
            "exception",
            "throttlingException",
            &json!({ "message": "slow" }),
        ),
    ]
    .concat();
    let error = read_as(FRAMES, Converse.reader(), &[&stream], false).unwrap_err();
    assert_eq!(ModelError::new(error).code(), "rate_limited");
}

#[test]
fn an_answer_that_comes_whole_is_read_too() {
    let answer = json!({
        "output": { "message": { "role": "assistant", "content": [
            { "reasoningContent": { "reasoningText": { "text": "hm" } } }, { "text": "Welt" },
        ] } },
        "stopReason": "max_tokens",
        "usage": { "inputTokens": 1, "outputTokens": 2, "totalTokens": 3 },
    });
    let whole = document(Converse.reader(), &answer).unwrap();
    assert_eq!(
        (whole.text.as_str(), whole.finish_reason),
        ("Welt", "length")
    );
    assert!(document(Converse.reader(), &json!({})).is_err());
}

#[test]
fn a_model_is_one_step_of_the_address() {
    let mut config = config("openai", |_| {});
    config.base_url = "https://bedrock-runtime.eu-central-1.amazonaws.com"
        .parse()
        .unwrap();
    let url = |name: &str| String::from(Converse.url(&config, &ModelFacts::named(name)).unwrap());
    let base = "https://bedrock-runtime.eu-central-1.amazonaws.com/model";
    assert_eq!(
        url("us.anthropic.claude-haiku-4-5-20251001-v1:0"),
        format!("{base}/us.anthropic.claude-haiku-4-5-20251001-v1:0/converse-stream")
    );
    assert_eq!(
        url("arn:aws:bedrock:us-east-1:1:inference-profile/x"),
        format!("{base}/arn:aws:bedrock:us-east-1:1:inference-profile%2Fx/converse-stream")
    );
}

#[test]
fn what_is_given_is_sent_and_nothing_else() {
    let config = config("openai", |_| {});
    let written =
        |facts: &str, request: &CompletionRequest| body(&Converse, &config, &model(facts), request);
    let little = CompletionRequest {
        model: "m".to_owned(),
        prompt: "What of keys?".to_owned(),
        ..Default::default()
    };
    let text = json!({ "text": "What of keys?" });
    assert_eq!(
        written("{ name: m }", &little).unwrap(),
        json!({ "messages": [{ "role": "user", "content": [text] }] })
    );
    let much = CompletionRequest {
        system_prompt: Some("Be brief.".to_owned()),
        images: vec![Image::parse("data:image/png;base64,iVBORw0KGgo=").unwrap()],
        temperature: Some(0.5),
        max_output_tokens: Some(100),
        stop: vec!["END".to_owned()],
        ..little.clone()
    };
    let image = json!({ "image": { "format": "png", "source": { "bytes": "iVBORw0KGgo=" } } });
    assert_eq!(
        written("{ name: m }", &much).unwrap(),
        json!({
            "messages": [{ "role": "user", "content": [image, text] }],
            "system": [{ "text": "Be brief." }],
            "inferenceConfig": { "maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"] },
        })
    );
    let thinking = |facts: &str| {
        let request = CompletionRequest {
            thinking: Some(ThinkingMode::Max),
            ..little.clone()
        };
        written(facts, &request)
    };
    let budget = "{ name: m, max_output_tokens: 64000, thinking: { budget: { min_tokens: 1024, max_tokens: 63999 } } }";
    let asked = thinking(budget).unwrap();
    assert_eq!(asked["inferenceConfig"]["maxTokens"], 64_000);
    assert_eq!(
        asked["additionalModelRequestFields"],
        json!({ "thinking": { "type": "enabled", "budget_tokens": 63_999 } })
    );
    let adaptive =
        thinking("{ name: m, thinking: { adaptive: { levels: [low, high] } } }").unwrap();
    assert_eq!(
        adaptive["additionalModelRequestFields"],
        json!({ "thinking": { "type": "adaptive" }, "output_config": { "effort": "high" } })
    );
    assert!(thinking("{ name: m }").is_err());
    let wrong = CompletionRequest {
        temperature: Some(1.5),
        ..little
    };
    assert!(written("{ name: m }", &wrong).is_err());
}

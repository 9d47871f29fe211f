//! A recorded stream, cut anywhere; documents; errors.

use serde_json::{Value, json};

use super::*;
use crate::models::{
    ModelError,
    providers::{
        gemini::GenerateContent,
        http::trial::{cut_everywhere, document, read},
    },
};

const STREAM: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"thoughtsTokenCount\":3,\"totalTokenCount\":12},\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Grüße, \"}],\"role\":\"model\"},\"index\":0,\"safetyRatings\":[{\"category\":\"HARM_CATEGORY_HARASSMENT\",\"probability\":\"NEGLIGIBLE\"}]}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":3}}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Welt\"},{\"text\":\"\",\"thoughtSignature\":\"c2ln\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"cachedContentTokenCount\":4,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":3,\"totalTokenCount\":14}}\r\n\r\n",
);

fn reader() -> Box<ContentReader> {
    Box::default()
}

fn code(chunk: &Value) -> &'static str {
    let stream = format!("data: {chunk}\n\n");
    let error = read(reader(), &[stream.as_bytes()], false).unwrap_err();
    ModelError::new(error).code()
}

#[test]
fn a_stream_is_one_answer_however_it_is_cut() {
    let whole = cut_everywhere(&GenerateContent, STREAM);
    assert_eq!(
        (whole.text.as_str(), whole.finish_reason),
        ("Grüße, Welt", "stop")
    );
    // Thoughts are part of the answer, as with every other vendor.
    let expected = Usage {
        input_tokens: 9,
        output_tokens: 5,
        cached_input_tokens: Some(4),
        cache_write_tokens: None,
        reasoning_tokens: Some(3),
        is_estimate: false,
    };
    assert_eq!(whole.usage, Some(expected));
}

#[test]
fn a_blocked_prompt_or_answer_is_told_as_such() {
    let blocked = json!({
        "promptFeedback": { "blockReason": "PROHIBITED_CONTENT", "safetyRatings": [] },
        "usageMetadata": { "promptTokenCount": 9 },
    });
    assert_eq!(code(&blocked), "content_filtered");
    let candidate = |content: Value, reason: &str| json!({ "candidates": [{ "content": content, "finishReason": reason, "index": 0 }] });
    assert_eq!(
        code(&candidate(json!({ "role": "model" }), "SAFETY")),
        "content_filtered"
    );
    let said = json!({ "parts": [{ "text": "a" }] });
    for (theirs, ours) in [
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MAX_TOKENS", "length"),
        ("OTHER", "unknown"),
    ] {
        let whole = document(reader(), &candidate(said.clone(), theirs)).unwrap();
        assert_eq!((whole.text.as_str(), whole.finish_reason), ("a", ours));
    }
    // All of it went into thinking.
    let silent = candidate(json!({ "role": "model" }), "MAX_TOKENS");
    assert_eq!(document(reader(), &silent).unwrap().text, "");
}

#[test]
fn an_error_inside_a_stream_is_an_error_also_in_an_array() {
    let error =
        json!({ "error": { "code": 503, "status": "UNAVAILABLE", "message": "overloaded" } });
    assert_eq!(code(&error), "upstream_down");
    assert_eq!(code(&json!([error])), "upstream_down");
    let limited = json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED" } });
    assert_eq!(code(&limited), "rate_limited");
    for wrong in [json!({}), json!([]), json!({ "choices": [] }), json!("x")] {
        assert_eq!(code(&wrong), "malformed_answer", "{wrong}");
    }
}

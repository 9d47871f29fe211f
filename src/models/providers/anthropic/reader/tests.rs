//! A recorded stream, cut anywhere; documents; errors.

use serde_json::json;

use super::*;
use crate::models::{
    ModelError,
    providers::{
        anthropic::Messages,
        http::trial::{cut_everywhere, document, read},
    },
};

const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":9,\"cache_read_input_tokens\":4,\"cache_creation_input_tokens\":2,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße, \"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Welt\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: something_new\ndata: {\"type\":\"something_new\",\"delta\":7}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":5,\"output_tokens_details\":{\"thinking_tokens\":3}}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn reader() -> Box<MessageReader> {
    Box::default()
}

fn code(stream: &str) -> &'static str {
    let error = read(reader(), &[stream.as_bytes()], false).unwrap_err();
    ModelError::new(error).code()
}

#[test]
fn a_stream_is_one_answer_however_it_is_cut() {
    let whole = cut_everywhere(&Messages, STREAM);
    assert_eq!(
        (whole.text.as_str(), whole.finish_reason),
        ("Grüße, Welt", "stop")
    );
    // What was cached is part of the input, as with every other vendor.
    let expected = Usage {
        input_tokens: 15,
        output_tokens: 5,
        cached_input_tokens: Some(4),
        cache_write_tokens: Some(2),
        reasoning_tokens: Some(3),
        is_estimate: false,
    };
    assert_eq!(whole.usage, Some(expected));
}

#[test]
fn each_reason_to_stop_becomes_one_of_ours() {
    for (theirs, ours) in [
        ("max_tokens", "length"),
        ("stop_sequence", "stop"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "unknown"),
    ] {
        let stream = STREAM.replace("end_turn", theirs);
        let whole = read(reader(), &[stream.as_bytes()], false).unwrap();
        assert_eq!(whole.finish_reason, ours);
    }
    let refused = STREAM
        .replace("end_turn", "refusal")
        .replace("text_delta", "nothing_delta");
    assert_eq!(code(&refused), "content_filtered");
}

#[test]
fn an_error_inside_a_stream_is_an_error() {
    let begun = &STREAM[..STREAM.find("event: message_delta").unwrap()];
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    assert_eq!(code(&format!("{begun}{overloaded}")), "upstream_down");
    assert_eq!(code(overloaded), "upstream_down");
    assert_eq!(code("event: error\ndata: x\n\n"), "upstream_down");
    for wrong in [
        "data: {}\n\n",
        "data: [DONE]\n\n",
        "data: {\"choices\":[]}\n\n",
    ] {
        assert_eq!(code(wrong), "malformed_answer", "{wrong}");
    }
    let stopped_at_once = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    assert_eq!(code(stopped_at_once), "malformed_answer");
}

#[test]
fn a_message_that_comes_whole_is_read_too() {
    let message = |stop_reason: Value| {
        json!({
            "type": "message", "role": "assistant", "stop_reason": stop_reason,
            "content": [{ "type": "thinking", "thinking": "hm" }, { "type": "text", "text": "Hello" }],
            "usage": { "input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": null },
        })
    };
    let whole = document(reader(), &message("end_turn".into())).unwrap();
    assert_eq!(
        (whole.text.as_str(), whole.usage.unwrap().input_tokens),
        ("Hello", 1)
    );
    assert!(document(reader(), &message(Value::Null)).is_err());
    let error = json!({ "type": "error", "error": { "type": "rate_limit_error" } });
    let error = ModelError::new(document(reader(), &error).unwrap_err());
    assert_eq!(error.code(), "rate_limited");
}

use serde_json::Value;

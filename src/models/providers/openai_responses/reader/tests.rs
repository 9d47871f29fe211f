//! A recorded stream, cut anywhere; documents; errors.

use serde_json::json;

use super::*;
use crate::models::{
    ModelError,
    providers::{
        http::trial::{cut_everywhere, document, read},
        openai_responses::Responses,
    },
};

const STREAM: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\"error\":null,\"incomplete_details\":null,\"output\":[],\"usage\":null}}\n\n",
    ": keepalive\n\n",
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}}\n\n",
    "event: response.reasoning_summary_text.delta\ndata: {\"type\":\"response.reasoning_summary_text.delta\",\"sequence_number\":2,\"item_id\":\"rs_1\",\"delta\":\"hm\"}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":3,\"delta\":\"Grüße, \",\"logprobs\":[],\"obfuscation\":\"x1y\"}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"delta\":\"Welt\"}\n\n",
    "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"sequence_number\":5,\"text\":\"Grüße, Welt\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":6,\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"error\":null,\"incomplete_details\":null,\"output\":[],\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":3},\"total_tokens\":14}}}\n\n",
);

fn code(stream: &str) -> &'static str {
    let error = read(
        Box::<ResponseReader>::default(),
        &[stream.as_bytes()],
        false,
    )
    .unwrap_err();
    ModelError::new(error).code()
}

fn event(data: serde_json::Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().unwrap()
    )
}

#[test]
fn a_stream_is_one_answer_however_it_is_cut() {
    let whole = cut_everywhere(&Responses, STREAM);
    assert_eq!(
        (whole.text.as_str(), whole.finish_reason),
        ("Grüße, Welt", "stop")
    );
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
fn an_answer_that_was_cut_short_says_why() {
    let begun = &STREAM[..STREAM.find("event: response.output_text.done").unwrap()];
    for (reason, ours) in [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
        ("steered", "unknown"),
    ] {
        let end = event(json!({ "type": "response.incomplete", "response": {
            "status": "incomplete", "incomplete_details": { "reason": reason }, "usage": 5,
        } }));
        let stream = format!("{begun}{end}");
        let whole = read(
            Box::<ResponseReader>::default(),
            &[stream.as_bytes()],
            false,
        )
        .unwrap();
        assert_eq!((whole.finish_reason, whole.usage), (ours, None));
    }
}

#[test]
fn a_failure_inside_a_stream_is_an_error_in_each_of_its_forms() {
    let begun = &STREAM[..STREAM.find("event: response.output_text.done").unwrap()];
    for (end, expected) in [
        (
            json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": "rate_limit_exceeded", "message": "slow" } } }),
            "rate_limited",
        ),
        (
            json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": "server_error", "message": "" } } }),
            "upstream_down",
        ),
        (
            json!({ "type": "error", "code": "context_length_exceeded", "message": "", "param": null }),
            "context_too_long",
        ),
        (
            json!({ "type": "error", "error": { "code": "insufficient_quota", "message": "" } }),
            "quota_exceeded",
        ),
    ] {
        assert_eq!(
            code(&format!("{begun}{}", event(end.clone()))),
            expected,
            "{end}"
        );
        assert_eq!(code(&event(end.clone())), expected, "{end}");
    }
    assert_eq!(code("event: error\ndata: overloaded\n\n"), "upstream_down");
    for wrong in [
        "data: {}\n\n",
        "data: [DONE]\n\n",
        "data: x\n\n",
        "data: {\"choices\":[]}\n\n",
    ] {
        assert_eq!(code(wrong), "malformed_answer", "{wrong}");
    }
}

#[test]
fn a_response_that_comes_whole_is_read_too() {
    let response = |status: &str| {
        json!({
            "object": "response", "status": status, "error": null,
            "output": [
                { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "hm" }] },
                { "type": "message", "role": "assistant", "content": [
                    { "type": "output_text", "text": "Hel", "annotations": [] },
                    { "type": "refusal", "refusal": "lo" },
                ] },
            ],
            "usage": { "input_tokens": 1, "output_tokens": 2 },
        })
    };
    let reader = || Box::<ResponseReader>::default();
    let whole = document(reader(), &response("completed")).unwrap();
    assert_eq!(
        (whole.text.as_str(), whole.usage.unwrap().output_tokens),
        ("Hello", 2)
    );
    for wrong in ["in_progress", "queued", "failed", ""] {
        assert!(document(reader(), &response(wrong)).is_err(), "{wrong}");
    }
    let zeros = vec![json!({}); 300];
    let many = json!({ "status": "completed", "output": zeros });
    assert!(document(reader(), &many).is_err());
}

//! Answers put together event by event, and what is none.

use futures_util::FutureExt;

use super::*;
use crate::models::{
    Usage,
    providers::http::trial::{Answer, Whole},
};

/// Gives `answer` one event. What is short is taken without a pause.
fn give(answer: &mut Answer, name: &str, data: &str) -> Result<(), ModelErrorKind> {
    answer.event(name, data).now_or_never().unwrap()
}

fn answer() -> Answer {
    Answer::new(Box::new(ChatReader), None, 1000)
}

fn delta(text: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#)
}

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

#[test]
fn deltas_are_joined_and_the_last_words_kept() {
    let mut answer = answer();
    for data in [
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null}}],"usage":null}"#,
        &delta("Hel"),
        r#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm","content":""}}]}"#,
        &delta("lö"),
        r#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"!"},{"type":"thinking"}]}}]}"#,
        STOP,
        r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"x":[]}}"#,
        "[DONE]",
    ] {
        give(&mut answer, "message", data).unwrap();
    }
    assert_eq!(answer.characters(), 6);
    assert!(answer.is_done());
    let usage = Some(Usage {
        input_tokens: 3,
        output_tokens: 2,
        ..Usage::default()
    });
    let whole = answer.finish().unwrap();
    assert_eq!(
        whole,
        Whole {
            text: "Hellö!".into(),
            finish_reason: "stop",
            usage
        }
    );
}

#[test]
fn an_answer_that_was_not_said_to_be_whole_is_an_error() {
    let mut cut = answer();
    give(&mut cut, "message", &delta("Hel")).unwrap();
    assert!(matches!(cut.finish(), Err(ModelErrorKind::Incomplete)));
    assert!(matches!(answer().finish(), Err(ModelErrorKind::Incomplete)));
    assert!(give(&mut answer(), "message", "[DONE]").is_err());
}

#[test]
fn errors_inside_a_stream_are_errors() {
    let limited = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
    let kind = give(&mut answer(), "message", limited).unwrap_err();
    assert!(matches!(kind, ModelErrorKind::RateLimited { .. }));
    let kind = give(&mut answer(), "error", "overloaded").unwrap_err();
    assert!(matches!(kind, ModelErrorKind::UpstreamDown { .. }));
    let failed = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#;
    assert!(give(&mut answer(), "message", failed).is_err());
}

#[test]
fn reasons_are_mapped_to_ours_and_never_passed_on() {
    for (told, ours) in [
        ("stop", "stop"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("function_call", "tool_calls"),
        ("sk-whatever", "unknown"),
    ] {
        assert_eq!(known_reason(told), ours);
    }
}

#[test]
fn what_is_not_the_protocol_is_malformed_and_what_is_too_long_is_refused() {
    for wrong in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"choices":5}"#,
        r#"{"choices":[{"delta":{"content":5}}]}"#,
    ] {
        let kind = give(&mut answer(), "message", wrong).unwrap_err();
        assert!(matches!(kind, ModelErrorKind::Malformed), "{wrong}");
    }
    let kind = give(&mut answer(), "message", &delta(&"x".repeat(1001))).unwrap_err();
    assert!(matches!(
        kind,
        ModelErrorKind::AnswerTooLarge { limit: 1000 }
    ));
}

#[test]
fn nothing_is_kept_of_what_is_not_understood_and_no_list_is_built() {
    let zeros = format!("[{}0]", "0,".repeat(10_000));
    let ignored = format!(
        r#"{{"x":{zeros},"choices":[{{"logprobs":{zeros},"delta":{{"tool_calls":{zeros},"content":[{{"type":"text","text":"a"}},{{"type":"thinking","thinking":{zeros}}},{{"text":"b","type":"text"}}]}}}}],"usage":{{"prompt_tokens":1,"completion_tokens":2,"details":{zeros}}}}}"#
    );
    let mut kept = answer();
    give(&mut kept, "message", &ignored).unwrap();
    give(&mut kept, "message", STOP).unwrap();
    let whole = kept.finish().unwrap();
    assert_eq!(whole.text, "ab");
    assert_eq!(whole.usage.unwrap().output_tokens, 2);
    let many = format!(r#"{{"choices":[{}{{}}]}}"#, "{},".repeat(10_000));
    for wrong in [
        format!(r#"{{"choices":[{{"delta":{{"content":{zeros}}}}}]}}"#),
        format!(r#"{{"choices":{zeros}}}"#),
        many,
    ] {
        let kind = give(&mut answer(), "message", &wrong).unwrap_err();
        assert!(matches!(kind, ModelErrorKind::Malformed));
    }
}

#[test]
fn usage_that_is_not_understood_is_no_usage_and_no_error() {
    for usage in [r#"{"prompt_tokens":1.5,"completion_tokens":[]}"#, "{}"] {
        let mut without = answer();
        let data = format!(r#"{{"choices":[],"usage":{usage}}}"#);
        give(&mut without, "message", &data).unwrap();
        give(&mut without, "message", STOP).unwrap();
        assert_eq!(without.finish().unwrap().usage, None);
    }
}

#[test]
fn an_error_is_read_whatever_stands_beside_it_unless_it_is_huge() {
    let error = |rest: &str| {
        let data = format!(r#"{{"choices":5,"error":{{"code":"rate_limit_exceeded"{rest}}}}}"#);
        give(&mut answer(), "message", &data).unwrap_err()
    };
    assert!(matches!(error(""), ModelErrorKind::RateLimited { .. }));
    let zeros = format!(r#","x":[{}0]"#, "0,".repeat(64 * 1024 / 2));
    assert!(matches!(error(&zeros), ModelErrorKind::UpstreamDown { .. }));
}

#[test]
fn what_vendors_count_in_their_own_ways_is_told_in_one() {
    let usage = |usage: &str| {
        let mut counted = answer();
        let data = format!(r#"{{"choices":[{{"finish_reason":"stop"}}],"usage":{usage}}}"#);
        give(&mut counted, "message", &data).unwrap();
        counted.finish().unwrap().usage
    };
    let openai = usage(
        r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":1},"completion_tokens_details":{"reasoning_tokens":3}}"#,
    );
    let expected = Usage {
        input_tokens: 9,
        output_tokens: 5,
        cached_input_tokens: Some(4),
        cache_write_tokens: Some(1),
        reasoning_tokens: Some(3),
        is_estimate: false,
    };
    assert_eq!(openai, Some(expected));
    let deepseek =
        usage(r#"{"prompt_tokens":9,"completion_tokens":5,"prompt_cache_hit_tokens":4}"#);
    assert_eq!(deepseek.unwrap().cached_input_tokens, Some(4));
    let xai = usage(
        r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":17,"completion_tokens_details":{"reasoning_tokens":3}}"#,
    );
    let xai = xai.unwrap();
    assert_eq!((xai.output_tokens, xai.reasoning_tokens), (8, Some(3)));
    let odd = usage(
        r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":18446744073709551615,"completion_tokens_details":{"reasoning_tokens":18446744073709551615}}"#,
    );
    // Nobody's call has so many, so nothing that is told beside it is believed.
    assert_eq!(odd, None);
}

//! A vendor that shows us our own key, wherever it puts it: the key reaches neither client nor log.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::arrangement::{KEY, key_in_env};
use crate::support::{
    keyward::LEGACY,
    upstream::{Dialect, Upstream, bytewise, completion, event_stream, events, json_answer},
};

/// Calls `chat` once against an upstream that answers so; gives the call's result, once neither it
/// nor the log was found to hold the key in any form.
#[track_caller]
fn chat_with(respond: impl Fn() -> Response + Send + Sync + 'static) -> Value {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    upstream.script(move |_| Some(respond()));
    let mut keyward = key_in_env(&upstream)
        .env("KEYWARD_LOG_LEVEL", "debug")
        .serve();
    keyward.initialize(LEGACY);
    let answer = keyward.call("chat", json!({ "prompt": "ping" }));
    assert_eq!(
        upstream.keys()[0].as_deref(),
        Some(KEY),
        "the key was sent at all"
    );
    let others = keyward.take_others();
    keyward.close();
    let log = keyward.process.stderr_to_end();
    for form in forms() {
        assert!(!answer.to_string().contains(&form), "{form} in {answer}");
        assert!(
            !format!("{others:?}").contains(&form),
            "{form} in {others:?}"
        );
        assert!(!log.contains(&form), "{form} in the log:\n{log}");
    }
    answer["result"].clone()
}

/// The key, a good part of it, and the encodings in which it may come back.
fn forms() -> [String; 4] {
    [
        KEY.into(),
        KEY[4..24].into(),
        STANDARD.encode(KEY),
        URL_SAFE_NO_PAD.encode(KEY),
    ]
}

fn echo() -> String {
    format!("You sent {KEY}, in base64 {}.", STANDARD.encode(KEY))
}

#[test]
fn a_key_echoed_in_an_error_stays_with_us() {
    for status in [400, 401, 403, 404, 429, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        let error =
            json!({ "error": { "message": echo(), "code": KEY, "type": KEY, "param": KEY } });
        let result = chat_with(move || json_answer(status, &error));
        assert_eq!(result["isError"], true, "{status}: {result}");
        let result = chat_with(move || (status, echo()).into_response());
        assert_eq!(result["isError"], true, "{status}: {result}");
    }
}

#[test]
fn a_key_echoed_in_a_header_stays_with_us() {
    let result = chat_with(|| {
        let headers = [("x-request-id", KEY), ("retry-after", KEY), ("x-echo", KEY)];
        (StatusCode::TOO_MANY_REQUESTS, headers, "slow down").into_response()
    });
    assert_eq!(result["isError"], true, "{result}");
    let redirect = [(header::LOCATION, format!("https://127.0.0.1:9/{KEY}"))];
    let result = chat_with(move || (StatusCode::FOUND, redirect.clone(), "").into_response());
    assert_eq!(result["isError"], true, "{result}");
}

#[test]
fn a_key_echoed_in_a_plain_answer_is_cut_out_of_it() {
    let result = chat_with(|| json_answer(StatusCode::OK, &completion(&echo())));
    assert_eq!(result["isError"], false, "{result}");
    let answer = result["structuredContent"]["answer"].as_str().unwrap();
    assert!(
        answer.starts_with("You sent ") && answer.ends_with('.'),
        "{answer}"
    );
}

#[test]
fn a_key_echoed_in_an_event_stream_split_at_every_byte_is_cut_out_of_it() {
    let whole = || event_stream(&events(&echo(), true));
    let bytes = || {
        let kind = [(header::CONTENT_TYPE, "text/event-stream")];
        (kind, bytewise(&events(&echo(), true))).into_response()
    };
    for result in [chat_with(whole), chat_with(bytes)] {
        assert_eq!(result["isError"], false, "{result}");
        let answer = result["structuredContent"]["answer"].as_str().unwrap();
        assert!(
            answer.starts_with("You sent ") && answer.ends_with('.'),
            "{answer}"
        );
    }
}

#[test]
fn a_key_spread_over_events_a_character_each_is_cut_out_of_the_answer() {
    let stream: String = echo()
        .chars()
        .map(|c| {
            let choice = json!([{ "index": 0, "delta": { "content": c }, "finish_reason": null }]);
            format!("data: {}\n\n", json!({ "choices": choice }))
        })
        .chain(["data: [DONE]\n\n".to_owned()])
        .collect();
    let result = chat_with(move || event_stream(&stream));
    let answer = result["structuredContent"]["answer"]
        .as_str()
        .unwrap_or_default();
    assert!(
        answer.starts_with("You sent ") || result["isError"] == true,
        "{result}"
    );
}

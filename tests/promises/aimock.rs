//! Every protocol is understood by a stand-in that we did not write, and none of what it does wrong on
//! purpose is taken for an answer.

use serde_json::{Value, json};

use super::{
    arrangement::KEY,
    guarded::{serve, text},
};
use crate::support::{
    aimock::{ANSWER, Aimock},
    keyward::{Keyward, Setup},
};

/// A model of each protocol; the stand-in tells them apart by name in part.
const MODELS: [&str; 7] = [
    "gpt-x",
    "gpt-y",
    "claude-x",
    "gemini-x",
    "deployment",
    "gemini-v",
    "anthropic.claude-v1",
];

fn server(aimock: &Aimock) -> Keyward {
    let address = aimock.address();
    let settings = format!(
        r#"secrets:
  names:
    stand-in: {{ ref: "env:STAND_IN_KEY" }}
models:
  providers:
    chat: {{ base_url: "{address}/v1", secret: stand-in, models: [gpt-x], retries: 0 }}
    responses: {{ protocol: openai-responses, base_url: "{address}/v1", secret: stand-in, models: [gpt-y], retries: 0 }}
    anthropic-like: {{ protocol: anthropic, base_url: "{address}", secret: stand-in, models: [claude-x], retries: 0 }}
    gemini-like: {{ protocol: gemini, base_url: "{address}/v1beta", secret: stand-in, models: [gemini-x], retries: 0 }}
    azure-like: {{ protocol: azure, base_url: "{address}", api_version: "2024-10-21", secret: stand-in, models: [deployment], retries: 0 }}
    vertex-like: {{ protocol: vertex, base_url: "{address}", project: p, region: us-central1, secret: stand-in, models: [gemini-v], retries: 0 }}
    bedrock-like: {{ protocol: bedrock, base_url: "{address}", secret: stand-in, models: [anthropic.claude-v1], retries: 0 }}
"#
    );
    serve(Setup::with_config(&settings).env("STAND_IN_KEY", KEY))
}

fn chat(keyward: &mut Keyward, model: &str, prompt: &str) -> Value {
    let arguments = json!({ "prompt": prompt, "model": model });
    keyward.call("chat", arguments)["result"].clone()
}

#[test]
fn an_independent_stand_in_understands_every_protocol_and_is_understood() {
    let aimock = Aimock::start(&[]);
    let mut keyward = server(&aimock);
    for model in MODELS {
        let result = chat(&mut keyward, model, "ping");
        let answer = &result["structuredContent"];
        assert_eq!(answer["answer"], ANSWER, "{model}: {result}");
        assert_eq!(answer["finish_reason"], "stop", "{model}");
        assert_eq!(answer["usage"]["input_tokens"], 7, "{model}: {result}");
        assert_eq!(answer["usage"]["output_tokens"], 5, "{model}: {result}");
        let cut = chat(&mut keyward, model, "cut");
        assert_eq!(cut["isError"], true, "{model}: {cut}");
        assert!(text(&cut).contains("broke"), "{model}: {cut}");
    }
}

#[test]
fn nothing_that_it_does_wrong_on_purpose_is_taken_for_an_answer() {
    for (chaos, told) in [
        (["--chaos-drop", "1"], &["overloaded or failing"][..]),
        (["--chaos-ratelimit", "1"], &["limits the rate of requests"]),
        (
            ["--chaos-disconnect", "1"],
            &["cannot be reached", "broke off"],
        ),
        (
            ["--chaos-malformed", "1"],
            &["something other than its protocol", "broke off"],
        ),
    ] {
        let aimock = Aimock::start(&chaos);
        let mut keyward = server(&aimock);
        for model in MODELS {
            let result = chat(&mut keyward, model, "ping");
            assert_eq!(result["isError"], true, "{chaos:?} {model}: {result}");
            let said = text(&result);
            assert!(
                told.iter().any(|told| said.contains(told)),
                "{chaos:?} {model}: {said}"
            );
        }
    }
    // Latency alone is no error.
    let slow = Aimock::start(&["--chaos-latency", "300"]);
    let mut keyward = server(&slow);
    assert_eq!(
        chat(&mut keyward, "claude-x", "ping")["structuredContent"]["answer"],
        ANSWER
    );
}

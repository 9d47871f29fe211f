//! Keys of Amazon Bedrock, made of the credentials of each kind of login; nothing but the model's
//! provider sees them.
#![cfg(feature = "bedrock")]

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{CANARY, passing};
use crate::support::{
    keyward::{Keyward, LEGACY, Setup},
    moto::Moto,
    upstream::{ANSWER, Dialect, MODEL, Upstream, json_answer},
    vendors::Vendor,
};

const ROLE: &str = "arn:aws:iam::123456789012:role/keyward";

/// A model of Bedrock at `upstream`; `further` are lines of `secrets.providers`.
fn setup(upstream: &Upstream, further: &str) -> Setup {
    let base_url = upstream.base_url();
    Setup::with_config(&format!(
        r#"secrets:
{further}  names:
    models: {{ ref: "bedrock:eu-central-1" }}
models:
  providers:
    stand-in:
      protocol: bedrock
      base_url: "{base_url}"
      secret: models
      retries: 0
      models: [{MODEL}]
"#
    ))
    .env("AWS_EC2_METADATA_DISABLED", "true")
}

/// Takes every key and otherwise only what Bedrock takes.
fn upstream() -> Upstream {
    let upstream = Upstream::start(Dialect::Of(Vendor::Bedrock), None);
    upstream.script(|seen| {
        let refused = Vendor::Bedrock.refuse(seen);
        Some(refused.unwrap_or_else(|| Vendor::Bedrock.answer(ANSWER)))
    });
    upstream
}

fn serve(setup: Setup) -> Keyward {
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    keyward
}

fn chat(keyward: &mut Keyward) -> Value {
    keyward.call("chat", json!({ "prompt": "ping" }))["result"].clone()
}

/// What is signed in the key of request `index`, by its names.
fn signed(upstream: &Upstream, index: usize) -> Vec<(String, String)> {
    let seen = upstream.seen().remove(index);
    let key = seen.headers["authorization"].strip_prefix("Bearer bedrock-api-key-");
    let text = BASE64_STANDARD.decode(key.unwrap()).unwrap();
    let url = format!("https://{}", String::from_utf8(text).unwrap());
    let url = reqwest::Url::parse(&url).unwrap();
    assert_eq!(url.host_str(), Some("bedrock.amazonaws.com"));
    url.query_pairs().into_owned().collect()
}

fn field<'a>(signed: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = signed.iter().find(|(found, _)| found == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn aws_credentials_open_bedrock_where_no_key_is_stored() {
    let upstream = upstream();
    let setup = setup(&upstream, "").envs([
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", CANARY),
    ]);
    let mut keyward = serve(setup);
    let result = chat(&mut keyward);
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    let signed = signed(&upstream, 0);
    assert_eq!(field(&signed, "Action"), Some("CallWithBearerToken"));
    assert_eq!(field(&signed, "Version"), Some("1"));
    assert_eq!(field(&signed, "X-Amz-Expires"), Some("3600"));
    assert_eq!(field(&signed, "X-Amz-Security-Token"), None);
    let scope = field(&signed, "X-Amz-Credential").unwrap();
    let scope: Vec<_> = scope.split('/').collect();
    assert_eq!(scope[0], "AKIDEXAMPLE");
    assert_eq!(scope[2..], ["eu-central-1", "bedrock", "aws4_request"]);
    let seen = upstream.seen().remove(0);
    let all = format!("{:?} {} {signed:?}", seen.headers, seen.body);
    assert!(!all.contains(CANARY), "{all}");
}

#[test]
fn a_role_is_assumed_once_and_each_call_has_a_key_of_it() {
    let (upstream, front) = (upstream(), passing());
    let role = format!(
        "  providers:\n    bedrock:\n      sts_endpoint_url: \"{}\"\n      assume_role: {{ role_arn: \
         \"{ROLE}\" }}\n",
        front.url()
    );
    let mut keyward = serve(setup(&upstream, &role).envs(Moto::credentials()));
    for index in 0..2 {
        let result = chat(&mut keyward);
        assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
        let signed = signed(&upstream, index);
        assert!(field(&signed, "X-Amz-Security-Token").is_some());
        let id = field(&signed, "X-Amz-Credential").unwrap();
        assert!(!id.starts_with("test/"), "{id}");
    }
    assert_eq!(front.actions(), ["AssumeRole"]);
}

#[test]
fn a_refused_key_is_made_anew_of_new_credentials() {
    let (upstream, front) = (upstream(), passing());
    let refusals = AtomicUsize::new(1);
    upstream.script(move |seen| {
        let is_refused = refusals.swap(0, Ordering::SeqCst) > 0;
        is_refused
            .then(|| {
                let body =
                    json!({ "message": "The security token included in the request is expired" });
                json_answer(StatusCode::FORBIDDEN, &body)
            })
            .or_else(|| Vendor::Bedrock.refuse(seen))
            .or_else(|| Some(Vendor::Bedrock.answer(ANSWER)))
    });
    let role = format!(
        "  providers:\n    bedrock:\n      sts_endpoint_url: \"{}\"\n      assume_role: {{ role_arn: \
         \"{ROLE}\" }}\n",
        front.url()
    );
    let mut keyward = serve(setup(&upstream, &role).envs(Moto::credentials()));
    let result = chat(&mut keyward);
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    assert_eq!(front.actions(), ["AssumeRole", "AssumeRole"]);
    let id = |index| {
        let signed = signed(&upstream, index);
        field(&signed, "X-Amz-Credential").unwrap().to_owned()
    };
    assert_ne!(id(0), id(1));
}

#[test]
fn without_credentials_nothing_is_sent_and_the_operator_is_told_why() {
    let upstream = upstream();
    let ended = setup(&upstream, "").run(&["secrets", "check", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let told = report["secrets"][0]["error"].as_str().unwrap_or_default();
    assert!(told.contains("AWS credentials"), "{report}");
    let mut keyward = serve(setup(&upstream, ""));
    assert_eq!(chat(&mut keyward)["isError"], true);
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn a_reference_that_is_no_region_and_a_role_that_is_none_are_refused_at_load() {
    let upstream = upstream();
    let wrong = "  providers:\n    bedrock: { assume_role: { role_arn: canary } }\n";
    let ended = setup(&upstream, wrong).run(&["check"]);
    assert!(ended.stderr.contains("role_arn"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    let setup = setup(&upstream, "");
    let text = std::fs::read_to_string(setup.config_file()).unwrap();
    let text = text.replace("bedrock:eu-central-1", "bedrock:eu-central-1#key");
    crate::support::keyward::write_private(setup.config_file(), &text);
    let ended = setup.run(&["check"]);
    assert!(
        ended.stderr.contains("no options and no field"),
        "{}",
        ended.stderr
    );
}

//! What Secrets Manager or STS does wrong is told to the operator by its sort and with what to look
//! at, and to the client as no more than that the secret is unavailable.

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::json;

use super::{CANARY, check, setup};
use crate::{
    promises::arrangement::{KEY, chat_settings},
    support::{
        aws_front::{AwsFront, refusal, sts_refusal},
        keyward::{LEGACY, Setup},
        moto::Moto,
        upstream::{Dialect, Upstream},
    },
};

/// What the operator reads under `advice` and the client under `kind`, where Secrets Manager (or
/// STS, if `of_sts`) answers so.
#[track_caller]
fn assert_told(
    of_sts: bool,
    answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
    kind: &str,
    advice: &str,
) {
    let front = AwsFront::start(Moto::shared().address(), move |seen| {
        (of_sts == (seen.action == "AssumeRole")).then(&answer)
    });
    let mut lines = "      retries: 0\n".to_owned();
    if of_sts {
        lines += &format!(
            "      sts_endpoint_url: \"{}\"\n      \
             assume_role: {{ role_arn: \"arn:aws:iam::123456789012:role/x\" }}\n",
            front.url()
        );
    }
    let (_, secret) = check(&setup(&front, &lines).envs(Moto::credentials()));
    let told = secret["error"].as_str().unwrap_or_default();
    assert!(told.contains(advice), "{advice:?} in {secret}");
    assert!(told.contains(kind), "{kind:?} in {secret}");

    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let region = Moto::REGION;
    let provider = format!(
        "secrets:\n  providers:\n    aws:\n      region: {region}\n      endpoint_url: \"{}\"\n{lines}",
        front.url()
    );
    let settings = chat_settings(&upstream, "aws:ai/openai").replace("secrets:\n", &provider);
    let mut keyward = Setup::with_config(&settings)
        .envs(Moto::credentials())
        .serve();
    keyward.initialize(LEGACY);
    let answer = keyward.call("chat", json!({ "prompt": "ping" }))["result"].clone();
    assert_eq!(answer["isError"], true, "{answer}");
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("is unavailable (request id "), "{text}");
    for hidden in [
        "aws",
        kind,
        advice,
        &front.url(),
        "role/x",
        "ai/openai",
        CANARY,
    ] {
        assert!(!answer.to_string().contains(hidden), "{hidden} in {answer}");
    }
    keyward.close();
    let log = keyward.process.stderr_to_end();
    assert!(log.contains(kind) && log.contains(advice), "{log}");
    assert!(!log.contains(CANARY), "{log}");
}

#[test]
fn secrets_manager_throttles_forbids_or_fails() {
    let throttled = || {
        let mut answer = refusal(400, "ThrottlingException", CANARY);
        let wait = header::HeaderValue::from_static("1");
        answer.headers_mut().insert(header::RETRY_AFTER, wait);
        answer
    };
    assert_told(false, throttled, "throttling", "AWS throttles");
    let busy = || (StatusCode::TOO_MANY_REQUESTS, CANARY).into_response();
    assert_told(false, busy, "throttling", "AWS throttles");
    let forbids = || refusal(400, "AccessDeniedException", CANARY);
    assert_told(
        false,
        forbids,
        "permission denied",
        "`secretsmanager:GetSecretValue`",
    );
    let expired = || refusal(400, "ExpiredTokenException", CANARY);
    assert_told(
        false,
        expired,
        "login failed",
        "does not accept these credentials",
    );
    let failed = || refusal(500, "InternalServiceError", CANARY);
    assert_told(false, failed, "store failed", "AWS failed");
}

#[test]
fn sts_throttles_forbids_fails_or_gives_nothing() {
    let throttled = || sts_refusal(400, "Throttling", CANARY);
    assert_told(true, throttled, "throttling", "STS throttles");
    let forbids = || sts_refusal(403, "AccessDenied", CANARY);
    assert_told(true, forbids, "login failed", "does the role trust them");
    let failed = || sts_refusal(500, "InternalFailure", CANARY);
    assert_told(true, failed, "store failed", "STS failed");
    let nothing = || {
        let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                    <AssumeRoleResult/></AssumeRoleResponse>";
        ([(header::CONTENT_TYPE, "text/xml")], body).into_response()
    };
    assert_told(true, nothing, "login failed", "holds no credentials");
}

/// Answers that are no answers, from either service.
#[test]
fn an_answer_that_is_too_long_cut_off_or_of_another_kind_is_no_answer() {
    let long = || "x".repeat(10 << 20).into_response();
    // Cut off before the head of the answer has left, and far behind it.
    let cut = |after: usize| {
        move || {
            let beginning = format!("{{\"SecretString\": \"{CANARY}");
            let parts = [
                Ok(format!("{beginning}{}", "x".repeat(after))),
                Err(std::io::Error::other("cut")),
            ];
            let length = [(header::CONTENT_LENGTH, "900000")];
            (length, Body::from_stream(stream::iter(parts))).into_response()
        }
    };
    let page = || {
        let kind = [(header::CONTENT_TYPE, "text/html")];
        (kind, format!("<html>{CANARY}</html>")).into_response()
    };
    for of_sts in [false, true] {
        assert_told(of_sts, long, "malformed", "longer than any secret");
        assert_told(
            of_sts,
            cut(0),
            "cannot be reached",
            "cannot be reached; are",
        );
        assert_told(of_sts, cut(800_000), "store failed", "not one of AWS");
    }
    assert_told(false, page, "store failed", "not one of AWS");
    assert_told(true, page, "store failed", "not one of STS");
}

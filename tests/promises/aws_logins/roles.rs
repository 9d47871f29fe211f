//! The setting `assume_role`: what STS is told, whose credentials ask for the secret, and what is
//! said where STS says no.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use serde_json::json;

use super::{CANARY, assert_fails, check, setup};
use crate::{
    promises::arrangement::{KEY, chat_settings},
    support::{
        aws_front::{AwsFront, Seen, refusal, sts_refusal},
        keyward::{LEGACY, Setup, write_private},
        moto::Moto,
        upstream::{Dialect, Upstream},
    },
};

const ROLE: &str = "arn:aws:iam::123456789012:role/keyward";

/// The lines of a role at `sts`, with further ones of the role.
fn role(sts: &str, further: &str) -> String {
    format!(
        "      sts_endpoint_url: \"{sts}\"\n      assume_role:\n        role_arn: {ROLE}\n{further}"
    )
}

/// A front whose STS is moto's, unless `script` answers.
fn front(script: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static) -> AwsFront {
    AwsFront::start(Moto::shared().address(), script)
}

fn with_role(front: &AwsFront, further: &str) -> Setup {
    setup(front, &role(&front.url(), further)).envs(Moto::credentials())
}

#[test]
fn the_role_is_assumed_with_what_the_settings_say_and_asks_for_the_secret() {
    let front = front(|_| None);
    let told = "        external_id: partner/7\n        session_name: broker@one\n        \
                duration: 15m\n";
    let (_, secret) = check(&with_role(&front, told));
    assert_eq!(secret["found"], true, "{secret}");
    let seen = front.seen();
    assert_eq!(seen[0].action, "AssumeRole");
    assert_eq!(seen[0].key_id, "test", "signed with what was found");
    assert_eq!(seen[0].region, Moto::REGION);
    for (name, value) in [
        ("RoleArn", ROLE),
        ("ExternalId", "partner/7"),
        ("RoleSessionName", "broker@one"),
        ("DurationSeconds", "900"),
    ] {
        assert_eq!(seen[0].form[name], value, "{:?}", seen[0].form);
    }
    assert!(seen[1].action.ends_with("SecretValue"), "{seen:?}");
    assert_ne!(seen[1].key_id, "test", "signed as the role");
    assert!(seen[1].session_token.is_some());
}

#[test]
fn a_role_needs_no_more_than_its_arn() {
    let front = front(|_| None);
    let (_, secret) = check(&with_role(&front, ""));
    assert_eq!(secret["found"], true, "{secret}");
    let form = front.seen()[0].form.clone();
    assert_eq!(form["RoleSessionName"], "keyward");
    for absent in ["ExternalId", "DurationSeconds"] {
        assert!(!form.contains_key(absent), "{form:?}");
    }
}

#[test]
fn the_address_of_secrets_manager_is_not_taken_for_that_of_sts() {
    let (manager, sts) = (front(|_| None), front(|_| None));
    let lines = format!("      assume_role: {{ role_arn: \"{ROLE}\" }}\n");
    let setup = setup(&manager, &lines)
        .envs(Moto::credentials())
        .env("AWS_ENDPOINT_URL_STS", sts.url());
    let (_, secret) = check(&setup);
    assert_eq!(secret["found"], true, "{secret}");
    assert_eq!(sts.actions(), ["AssumeRole"]);
    assert!(
        manager.actions().iter().all(|a| a.ends_with("SecretValue")),
        "{:?}",
        manager.actions()
    );
}

#[test]
fn a_role_is_assumed_on_top_of_a_web_identity_too() {
    let front = front(|_| None);
    let setup = setup(&front, &role(&front.url(), ""));
    let token = setup.folder().join("token");
    write_private(&token, CANARY);
    let setup = setup
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/irsa")
        .env("AWS_ENDPOINT_URL_STS", front.url());
    let (_, secret) = check(&setup);
    assert_eq!(secret["found"], true, "{secret}");
    let seen = front.seen();
    let actions: Vec<_> = seen.iter().map(|seen| seen.action.as_str()).collect();
    assert_eq!(actions[..2], ["AssumeRoleWithWebIdentity", "AssumeRole"]);
    assert!(
        seen[1].session_token.is_some(),
        "signed as the web identity"
    );
    assert_ne!(seen[1].key_id, seen[2].key_id, "each is its own session");
}

#[test]
fn a_role_that_sts_does_not_give_names_the_setting_to_look_at() {
    for (status, code, advice) in [
        (403, "AccessDenied", "`assume_role.external_id`"),
        (400, "ValidationError", "`session_name`"),
        (
            403,
            "InvalidClientTokenId",
            "does not accept the credentials",
        ),
        (400, "ExpiredToken", "does not accept the credentials"),
        (
            403,
            "RegionDisabledException",
            "not activated in this region",
        ),
    ] {
        let front = front(move |seen| {
            (seen.action == "AssumeRole").then(|| sts_refusal(status, code, CANARY))
        });
        let setup = with_role(&front, "");
        assert_fails(&setup, &front, advice);
        assert_fails(&setup, &front, ROLE);
    }
}

#[test]
fn settings_that_sts_would_refuse_are_refused_at_load_by_their_path() {
    for (lines, path) in [
        ("      assume_role: { role_arn: canary }\n", "role_arn"),
        ("      assume_role: {}\n", "role_arn"),
        (
            "      sts_endpoint_url: https://sts.example\n",
            "sts_endpoint_url",
        ),
        ("      fips: true\n", "fips"),
        ("      dual_stack: true\n", "dual_stack"),
    ] {
        let front = front(|_| None);
        let ended = setup(&front, lines).run(&["check"]);
        assert_ne!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert!(ended.stderr.contains(path), "{}", ended.stderr);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    }
}

#[test]
fn one_login_serves_many_calls_until_aws_refuses_it() {
    // The first session of the role is dead from its third request on.
    let reads = AtomicUsize::new(0);
    let front = front(move |seen| {
        let is_read = seen.action.ends_with("SecretValue");
        let is_third = is_read && reads.fetch_add(1, Ordering::SeqCst) == 2;
        is_third.then(|| refusal(400, "ExpiredTokenException", CANARY))
    });
    let secret = Moto::shared().fresh(&json!({ "k": KEY }).to_string());
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let provider = format!(
        "secrets:\n  providers:\n    aws:\n      region: {}\n      endpoint_url: \"{}\"\n{}",
        Moto::REGION,
        front.url(),
        role(&front.url(), "")
    );
    let settings = chat_settings(&upstream, &format!("aws:{secret}#k"));
    let settings = settings.replace("secrets:\n", &provider);
    let mut keyward = Setup::with_config(&settings)
        .envs(Moto::credentials())
        .serve();
    keyward.initialize(LEGACY);
    for call in 0..4 {
        let answer = keyward.call("chat", json!({ "prompt": "ping" }));
        assert_eq!(answer["result"]["isError"], false, "{call}: {answer}");
    }
    let logins = front
        .actions()
        .iter()
        .filter(|a| *a == "AssumeRole")
        .count();
    assert_eq!(logins, 2, "{:?}", front.actions());
    assert_eq!(front.actions().len(), 4 + 1 + 2, "{:?}", front.actions());
}

//! What a region says of credentials that it has never heard of is the reference's fault, not the
//! login's: a region that is not enabled for the account knows nobody.

use serde_json::json;

use super::{CANARY, check, setup};
use crate::{
    promises::arrangement::{KEY, chat_settings},
    support::{
        aws_front::{AwsFront, refusal},
        keyward::{LEGACY, Setup, write_private},
        moto::Moto,
        upstream::{Dialect, Upstream},
    },
};

/// A region that accounts have to enable, and this one has not.
const DISABLED: &str = "ap-east-1";

/// A front whose disabled region knows nobody, as AWS puts it; the own region answers `own`, or as
/// moto does.
fn front(own: Option<&'static str>) -> AwsFront {
    AwsFront::start(Moto::shared().address(), move |seen| {
        let is_read = seen.action.ends_with("SecretValue");
        let code = match (is_read, seen.region == DISABLED) {
            (true, true) => Some("UnrecognizedClientException"),
            (true, false) => own,
            (false, _) => None,
        };
        code.map(|code| refusal(400, code, CANARY))
    })
}

fn role(front: &AwsFront) -> String {
    format!(
        "      sts_endpoint_url: \"{}\"\n      \
         assume_role: {{ role_arn: \"arn:aws:iam::123456789012:role/x\" }}\n",
        front.url()
    )
}

#[test]
fn a_region_that_knows_nobody_costs_neither_the_login_nor_the_way_to_other_regions() {
    let front = front(None);
    let secret = Moto::shared().fresh(&json!({ "k": KEY }).to_string());
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    // One failure that counts would close the way to the good region, too.
    let provider = format!(
        "secrets:\n  providers:\n    aws:\n      region: {}\n      endpoint_url: \"{}\"\n      \
         breaker: {{ failures: 1, open_for: 1h }}\n      on_error: next\n{}",
        Moto::REGION,
        front.url(),
        role(&front)
    );
    let settings = chat_settings(&upstream, "env:X")
        .replace(
            "ref: \"env:X\"",
            &format!("refs: [\"aws:{secret}?region={DISABLED}#k\", \"aws:{secret}#k\"]"),
        )
        .replace("secrets:\n", &provider);
    let mut keyward = Setup::with_config(&settings)
        .envs(Moto::credentials())
        .serve();
    keyward.initialize(LEGACY);
    for call in 0..3 {
        let answer = keyward.call("chat", json!({ "prompt": "ping" }));
        assert_eq!(answer["result"]["isError"], false, "{call}: {answer}");
    }
    let seen = front.seen();
    let count = |action: &str| seen.iter().filter(|seen| seen.action == action).count();
    assert_eq!(count("AssumeRole"), 1, "{:?}", front.actions());
    let of_disabled = seen.iter().filter(|seen| seen.region == DISABLED);
    assert_eq!(of_disabled.count(), 3, "{:?}", front.actions());
}

#[test]
fn the_operator_is_asked_whether_the_region_is_enabled_and_of_the_own_region_about_the_login() {
    for (own, region, kind, advice) in [
        (
            None,
            DISABLED,
            "misconfigured",
            "is it enabled for the account?",
        ),
        (
            Some("UnrecognizedClientException"),
            Moto::REGION,
            "login failed",
            "does not accept these credentials",
        ),
    ] {
        let front = front(own);
        let setup = setup(&front, "      retries: 0\n").envs(Moto::credentials());
        let settings = std::fs::read_to_string(setup.config_file()).unwrap();
        assert!(settings.contains("#k"), "{settings}");
        let settings = settings.replace("#k", &format!("?region={region}#k"));
        write_private(setup.config_file(), &settings);
        let (_, secret) = check(&setup);
        let told = secret["error"].as_str().unwrap_or_default();
        assert!(
            told.contains(kind) && told.contains(advice),
            "{region}: {secret}"
        );
    }
}

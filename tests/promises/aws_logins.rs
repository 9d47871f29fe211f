//! Every way in which AWS lets a program log in, tried on the real binary: each works, each is sent
//! to nobody but AWS, and each that fails says which setting or file to look at.
//!
//! The binary runs `secrets check` before moto; a front sees who signed. Faults of the service
//! itself are in `faults`.
#![cfg(all(feature = "env", feature = "aws"))]

mod bedrock;
mod faults;
mod hosts;
mod regions;
mod roles;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::arrangement::KEY;
use crate::support::{
    aws_front::{AwsFront, sts_refusal},
    aws_metadata::{
        CONTAINER_KEY_ID, INSTANCE_KEY_ID, Metadata, PORTAL_KEY_ID, PORTAL_PROFILE, PORTAL_TOKEN,
        Secrets,
    },
    environment::unique,
    keyward::{Ended, Setup, write_private},
    moto::Moto,
};

/// What a login is made with, and what nobody may ever be shown.
const CANARY: &str = "canary-login-7f3Kq9Zx2LmT5vWb";

/// A front that passes everything on to moto.
fn passing() -> AwsFront {
    AwsFront::start(Moto::shared().address(), |_| None)
}

/// A name `key` for a secret that is there, in Secrets Manager at `front`; `further` are lines of
/// `secrets.providers.aws`. No credentials yet.
fn setup(front: &AwsFront, further: &str) -> Setup {
    let secret = Moto::shared().fresh(&json!({ "k": KEY }).to_string());
    let (region, url) = (Moto::REGION, front.url());
    let settings = format!(
        "secrets:\n  providers:\n    aws:\n      region: {region}\n      endpoint_url: \"{url}\"\n\
         {further}  names:\n    key: {{ ref: \"aws:{secret}#k\" }}\n"
    );
    // No instance is asked unless a test plays one.
    Setup::with_config(&settings).env("AWS_EC2_METADATA_DISABLED", "true")
}

/// A file in the setup's own folder.
fn file(setup: &Setup, name: &str, content: &str) -> PathBuf {
    let path = setup.folder().join(name);
    write_private(&path, content);
    path
}

/// Checks the one secret; what was said holds neither the key nor the login.
#[track_caller]
fn check(setup: &Setup) -> (Ended, Value) {
    let ended = setup.run(&["secrets", "check", "--json"]);
    let said = format!("{}\n{}", ended.stdout, ended.stderr);
    for hidden in [KEY, CANARY, "canary"] {
        assert!(!said.contains(hidden), "{said}");
    }
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
    let secret = report["secrets"][0].clone();
    (ended, secret)
}

/// The secret is found, and `key_id` signed for it.
#[track_caller]
fn assert_logs_in(setup: &Setup, front: &AwsFront, key_id: &str) {
    let (ended, secret) = check(setup);
    assert_eq!(secret["found"], true, "{secret} {}", ended.stderr);
    let seen = front.seen();
    let read = seen
        .iter()
        .find(|seen| seen.action.ends_with("SecretValue"));
    assert_eq!(read.unwrap().key_id, key_id, "{seen:?}");
}

/// The secret is not found, the operator is told `advice`, and Secrets Manager was never asked.
#[track_caller]
fn assert_fails(setup: &Setup, front: &AwsFront, advice: &str) {
    let (ended, secret) = check(setup);
    let told = secret["error"].as_str().unwrap_or_default();
    assert!(
        told.contains(advice),
        "{advice:?} in {secret} {}",
        ended.stderr
    );
    let read = |action: &String| action.ends_with("SecretValue");
    assert!(!front.actions().iter().any(read), "{:?}", front.actions());
}

#[test]
fn an_instances_credentials_are_had_by_imdsv2_and_by_nothing_older() {
    let (front, instance) = (passing(), Metadata::of_instance(Secrets::default()));
    let setup = setup(&front, "")
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url());
    assert_logs_in(&setup, &front, INSTANCE_KEY_ID);
    let asked = instance.seen();
    assert_eq!(asked[0], "token", "{asked:?}");
    assert!(
        !asked.iter().any(|asked| asked.contains("refused")),
        "{asked:?}"
    );
    let token = front.seen()[0].session_token.clone();
    assert_eq!(token.as_deref(), Some("canary-metadata-token"));
}

#[test]
fn a_metadata_service_that_does_not_speak_imdsv2_is_named() {
    // moto's gives a token without its lifetime.
    let front = passing();
    let setup = setup(&front, "")
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env(
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            Moto::shared().address(),
        );
    assert_fails(&setup, &front, "IMDSv2");
}

#[test]
fn with_nothing_to_log_in_with_every_place_is_named() {
    let front = passing();
    assert_fails(&setup(&front, ""), &front, "no AWS credentials were found");
}

#[test]
fn a_container_shows_the_token_of_its_file_as_it_is_now() {
    // What EKS calls pod identity, and ECS task roles.
    let (front, container) = (
        passing(),
        Metadata::of_container(CANARY, Secrets::default()),
    );
    let setup = setup(&front, "");
    let token = file(&setup, "pod-token", CANARY);
    let setup = setup
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}/credentials", container.url()),
        )
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    assert_logs_in(&setup, &front, CONTAINER_KEY_ID);
    write_private(&token, "another");
    let front = passing();
    assert_fails(&setup, &front, "credentials endpoint");
    assert!(container.seen().contains(&"credentials refused".to_owned()));
    std::fs::remove_file(&token).unwrap();
    assert_fails(&setup, &front, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
}

#[test]
fn a_container_endpoint_on_another_machine_is_shown_no_token() {
    let front = passing();
    let setup = setup(&front, "      timeout: 3s\n");
    let token = file(&setup, "pod-token", CANARY);
    let setup = setup
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://192.0.2.1/credentials",
        )
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token);
    assert_fails(&setup, &front, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

/// A profile of this content, and nothing else that could log in.
fn with_profile(front: &AwsFront, content: &str) -> Setup {
    let setup = setup(front, "");
    let profile = file(&setup, "aws-config", content);
    setup
        .env("AWS_CONFIG_FILE", profile)
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
}

#[test]
fn a_process_gives_credentials_or_its_complaint_stays_unread() {
    let front = passing();
    let given = json!({ "Version": 1, "AccessKeyId": "ASIAPROCESS", "SecretAccessKey": CANARY });
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output.json");
    write_private(&output, &given.to_string());
    let profile = |command: &str| format!("[default]\ncredential_process = {command}\n");
    let setup = with_profile(&front, &profile(&format!("cat {}", output.display())));
    assert_logs_in(&setup, &front, "ASIAPROCESS");

    let front = passing();
    for command in [
        format!("sh -c 'echo {CANARY} >&2; exit 1'"),
        format!("echo {CANARY}"),
    ] {
        let setup = with_profile(&front, &profile(&command));
        assert_fails(&setup, &front, "credential_process");
    }
}

#[test]
fn a_profile_with_keys_serves_and_one_that_is_wrong_is_named() {
    let front = passing();
    let keys = format!("aws_access_key_id = AKIAPROFILE\naws_secret_access_key = {CANARY}\n");
    let setup = with_profile(&front, &format!("[default]\n{keys}"));
    assert_logs_in(&setup, &front, "AKIAPROFILE");
    let front = passing();
    let looping = "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = nobody\n";
    assert_fails(&with_profile(&front, looping), &front, "profile");
    let sso = "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n\
               [sso-session s]\nsso_region = eu-central-1\nsso_start_url = https://sso.example\n";
    assert_fails(&with_profile(&front, sso), &front, "aws sso login");
}

#[test]
fn single_sign_on_shows_the_portal_the_token_that_somebody_logged_in_for() {
    let (front, portal) = (passing(), Metadata::of_portal(CANARY, Secrets::default()));
    let setup = with_profile(&front, PORTAL_PROFILE).env("AWS_ENDPOINT_URL_SSO", portal.url());
    let token = setup.folder().join("home").join(PORTAL_TOKEN);
    std::fs::create_dir_all(token.parent().unwrap()).unwrap();
    let cached = |token: &str, until: &str| {
        json!({ "accessToken": token, "expiresAt": until, "region": Moto::REGION }).to_string()
    };
    write_private(&token, &cached(CANARY, "2199-01-01T00:00:00Z"));
    assert_logs_in(&setup, &front, PORTAL_KEY_ID);
    for stale in [
        cached("another", "2199-01-01T00:00:00Z"),
        cached(CANARY, "2020-01-01T00:00:00Z"),
    ] {
        write_private(&token, &stale);
        let front = passing();
        let setup = with_profile(&front, PORTAL_PROFILE)
            .env("AWS_ENDPOINT_URL_SSO", portal.url())
            .env("HOME", setup.folder().join("home"));
        assert_fails(&setup, &front, "aws sso login");
    }
    assert_eq!(portal.seen(), ["portal", "portal refused"]);
}

/// A web identity's variables, as Kubernetes sets them for IRSA.
fn with_web_identity(front: &AwsFront, sts: &str) -> Setup {
    let setup = setup(front, "");
    let token = file(&setup, "web-identity", CANARY);
    setup
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/irsa")
        .env("AWS_ROLE_SESSION_NAME", "pod")
        .env("AWS_ENDPOINT_URL_STS", sts)
}

#[test]
fn a_web_identity_logs_in_at_sts_with_the_token_of_its_file() {
    let front = passing();
    let setup = with_web_identity(&front, &front.url());
    let (_, secret) = check(&setup);
    assert_eq!(secret["found"], true, "{secret}");
    let seen = front.seen();
    assert_eq!(seen[0].action, "AssumeRoleWithWebIdentity");
    assert_eq!(seen[0].form["WebIdentityToken"], CANARY);
    assert_eq!(seen[0].form["RoleSessionName"], "pod");
    assert_eq!(seen[0].key_id, "", "nobody signs for a web identity");
    assert!(seen[1].key_id.starts_with("ASIA") || !seen[1].key_id.is_empty());
    assert!(seen[1].session_token.is_some(), "{:?}", seen[1].action);
}

#[test]
fn a_web_identity_that_fails_names_the_token_file_the_role_or_the_provider() {
    for (code, status, advice) in [
        ("ExpiredTokenException", 400, "has expired"),
        ("InvalidIdentityToken", 400, "issuer and audience"),
        ("AccessDenied", 403, "AWS_ROLE_ARN"),
        ("IDPCommunicationError", 400, "identity provider"),
    ] {
        let front = AwsFront::start(Moto::shared().address(), move |seen| {
            let is_login = seen.action == "AssumeRoleWithWebIdentity";
            is_login.then(|| sts_refusal(status, code, CANARY))
        });
        let setup = with_web_identity(&front, &front.url());
        assert_fails(&setup, &front, advice);
    }
    let front = passing();
    let absent = unique("/nonexistent/token");
    let setup = with_web_identity(&front, &front.url()).env("AWS_WEB_IDENTITY_TOKEN_FILE", absent);
    assert_fails(&setup, &front, "AWS_WEB_IDENTITY_TOKEN_FILE");
}

#[test]
fn a_login_sends_its_token_in_clear_text_to_no_other_machine() {
    let front = passing();
    let setup = with_web_identity(&front, "http://sts.example:1");
    assert_fails(&setup, &front, "plain `http`");
}

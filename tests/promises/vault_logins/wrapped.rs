//! A wrapped secret id is unwrapped once, and whoever was there first is noticed.

use serde_json::json;

use super::{Readable, Store, fails_with, setup, with_file};
use crate::support::{
    keyward::{Setup, write_private},
    openbao::DevServer,
    pausing_proxy::PausingProxy,
};

/// A role at a mount of the test's own: its mount and its id, as JSON.
fn role(policy: &str, settings: serde_json::Value) -> (String, serde_json::Value) {
    let bao = DevServer::shared();
    let mount = bao.fresh_auth("approle");
    let mut settings = settings;
    settings["token_policies"] = json!([policy]);
    bao.put(&format!("auth/{mount}/role/app"), &settings);
    let id = bao.get(&format!("auth/{mount}/role/app/role-id"))["data"]["role_id"].clone();
    (mount, id)
}

fn wrap(mount: &str) -> String {
    DevServer::shared().wrapped(&format!("auth/{mount}/role/app/secret-id"), &json!({}))
}

/// The binary with a wrapping token in its file.
fn with_wrapping(mount: &str, id: &serde_json::Value, path: &str, token: &str) -> Setup {
    let bao = DevServer::shared();
    let auth = format!("approle: {{ role_id: {id}, mount: {mount}, wrapped_secret_id_file: w }}");
    with_file(setup(bao.address(), path, &auth, ""), "w", token)
}

#[test]
fn a_wrapped_secret_id_logs_in_and_a_token_that_was_used_is_an_alarm() {
    let secret = Readable::at(DevServer::shared());
    let (mount, id) = role(&secret.policy, json!({}));
    let token = wrap(&mount);
    let setup = with_wrapping(&mount, &id, &secret.path, &token);
    super::logins::works(&setup, &mount);

    let told = [
        "login failed",
        "/w is not valid any more",
        "SOMEBODY ELSE HAS UNWRAPPED IT",
    ];
    fails_with(&setup, &told);
    let ended = setup.run(&["secrets", "check", "key"]);
    let alarm = ended.stderr.lines().find(|line| line.contains("ERROR"));
    let alarm = alarm.unwrap_or_else(|| panic!("no error is logged:\n{}", ended.stderr));
    assert!(
        alarm.contains("wrapping_token_refused") && !alarm.contains(&token),
        "{alarm}"
    );
}

#[test]
fn a_wrapping_token_that_wraps_something_else_is_not_unwrapped() {
    let bao = DevServer::shared();
    let (mount, id) = role("default", json!({}));
    let (other, _) = role("default", json!({}));
    let forged = bao.wrapped("sys/wrapping/wrap", &json!({ "secret_id": "canary" }));
    let role_of_another = wrap(&other);
    // A thief who may write nowhere else can write to a cubbyhole, at any path.
    let imitated = format!("cubbyhole/auth/{mount}/role/app/secret-id");
    bao.put(&imitated, &json!({ "secret_id": "canary" }));
    let imitation = bao.wrapped_read(&imitated);
    for token in [forged, role_of_another, imitation] {
        let setup = with_wrapping(&mount, &id, "any", &token);
        fails_with(
            &setup,
            &[
                "/w does not wrap a secret id",
                "SOMEBODY MAY HAVE REPLACED IT",
            ],
        );
        let left = bao.put("sys/wrapping/lookup", &json!({ "token": token }));
        assert!(
            left["data"]["creation_path"].is_string(),
            "it is still there as evidence"
        );
    }
}

#[test]
fn in_a_namespace_a_wrapped_secret_id_logs_in_too() {
    let root = DevServer::shared();
    let name = crate::support::environment::unique("team");
    root.create_namespace(&name);
    let team = root.in_namespace(&name);
    team.mount_kv("secret", 2);
    team.put_kv2("secret", "ai", &json!({ "api_key": "canary-key" }));
    let role = team.app_role(
        "path \"secret/data/ai\" { capabilities = [\"read\"] }",
        &json!({}),
    );
    let token = team.wrapped(
        &format!("auth/approle/role/{}/secret-id", role.name),
        &json!({}),
    );
    let auth = format!(
        "approle: {{ role_id: {}, wrapped_secret_id_file: w }}",
        role.role_id
    );
    let more = format!(", namespace: {name}");
    let setup = with_file(setup(root.address(), "ai", &auth, &more), "w", &token);
    assert_eq!(super::check(&setup), Ok(()));
}

#[tokio::test]
async fn it_is_unwrapped_once_and_kept_for_later_logins() {
    let bao = DevServer::shared();
    let secret = Readable::at(bao);
    let (mount, id) = role(&secret.policy, json!({ "secret_id_num_uses": 2 }));
    let proxy = PausingProxy::start(bao.address());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w");
    write_private(&file, &wrap(&mount));
    let approle = json!({ "role_id": id, "mount": mount, "wrapped_secret_id_file": file });
    let vault = json!({ "address": proxy.url(), "auth": { "approle": approle } });
    let store = Store::new(vault, &secret.path);
    let revoke = || bao.revoke_accessor(&bao.tokens_at(&mount)[0]);

    assert_eq!(store.fetch().await.as_deref(), Ok("canary-key"));
    revoke();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        store.fetch().await.as_deref(),
        Ok("canary-key"),
        "kept, the file is gone"
    );
    assert_eq!(proxy.count("sys/wrapping/unwrap"), 1);

    // Used up: a new wrapping token in the file is unwrapped, the old one is not.
    revoke();
    let refused = store.fetch().await.unwrap_err();
    assert!(refused.contains("write a new wrapping token"), "{refused}");
    write_private(&file, &wrap(&mount));
    assert_eq!(store.fetch().await.as_deref(), Ok("canary-key"));
    assert_eq!(proxy.count("sys/wrapping/unwrap"), 2);
    store.close().await;
    assert_eq!(bao.tokens_at(&mount), [""; 0]);
}

//! Vault, played by OpenBao: what is found, what is missing, and who is let in.

use std::path::Path;

use keyward::secrets::providers::ErrorKind;
use serde_json::{Value, json};

use super::{CANARY, Got, Store, Trace};
use crate::support::{
    environment::unique, keyward::write_private, openbao::DevServer, openbao_api::AppRole,
    pausing_proxy::PausingProxy,
};

/// Settings for a server, logging in with a token in a file of `folder`.
pub(super) fn with_token(address: &str, token: &str, folder: &Path, more: Value) -> Value {
    let file = folder.join("token");
    write_private(&file, token);
    let mut vault = json!({ "address": address, "auth": { "token_file": file } });
    for (key, value) in more.as_object().unwrap() {
        vault[key] = value.clone();
    }
    json!({ "vault": vault })
}

fn with_role(address: &str, role: &AppRole, folder: &Path) -> Value {
    let secret_id_file = role.write_secret_id(folder);
    let approle = json!({ "role_id": role.role_id, "secret_id_file": secret_id_file });
    json!({ "vault": { "address": address, "auth": { "approle": approle } } })
}

/// A store that sees all of the shared server.
pub(super) fn root(more: Value) -> Store {
    let bao = DevServer::shared();
    let folder = tempfile::tempdir().unwrap().keep();
    Store::new(with_token(bao.address(), bao.token(), &folder, more))
}

fn reads(path: &str) -> String {
    format!("path \"secret/data/{path}\" {{ capabilities = [\"read\"] }}")
}

#[tokio::test]
async fn a_value_is_found_on_both_versions_of_kv_whether_the_version_is_told_or_asked() {
    let bao = DevServer::shared();
    let (v1, v2, nested) = (
        bao.fresh_kv(1),
        bao.fresh_kv(2),
        format!("{}/kv", unique("team")),
    );
    bao.mount_kv(&nested, 2);
    bao.put_kv1(&v1, "ai/openai", &json!({ "api_key": "canary-1" }));
    bao.put_kv2(&v2, "ai/openai", &json!({ "api_key": "canary-old" }));
    bao.put_kv2(
        &v2,
        "ai/openai",
        &json!({ "api_key": "canary-2", "a": { "b": "canary-\u{e9}\"" } }),
    );
    bao.put_kv2(&nested, "ai/openai", &json!({ "api_key": "canary-3" }));
    let told = root(json!({ "kv": { &v1: 1, &v2: 2, &nested: 2 } }));
    for store in [root(json!({})), told] {
        for (reference, value, version) in [
            (format!("vault:{v1}/ai/openai#api_key"), "canary-1", None),
            (
                format!("vault:{v2}/ai/openai#api_key"),
                "canary-2",
                Some("2"),
            ),
            (
                format!("vault:{v2}/ai/openai?version=1#api_key"),
                "canary-old",
                Some("1"),
            ),
            (
                format!("vault:{v2}/ai/openai#/a/b"),
                "canary-\u{e9}\"",
                Some("2"),
            ),
            (
                format!("vault:{nested}//ai/openai#api_key"),
                "canary-3",
                Some("1"),
            ),
        ] {
            let expected = Got::Value {
                value: value.to_owned(),
                version: version.map(str::to_owned),
                is_dated: version.is_some(),
            };
            assert_eq!(store.fetch(&reference).await, expected, "{reference}");
        }
    }
}

#[tokio::test]
async fn only_a_secret_that_never_was_is_a_miss() {
    let bao = DevServer::shared();
    let (v1, v2) = (bao.fresh_kv(1), bao.fresh_kv(2));
    for path in ["gone", "destroyed", "here"] {
        bao.put_kv2(&v2, path, &json!({ "api_key": "canary" }));
    }
    bao.delete_versions(&v2, "gone", &[1]);
    bao.destroy_versions(&v2, "destroyed", &[1]);
    bao.put_kv1(&v1, "here", &json!({ "api_key": "canary" }));
    let (auto, as_v1) = (root(json!({})), root(json!({ "kv": 1 })));
    let as_v2 = root(json!({ "kv": 2 }));

    assert_eq!(
        auto.fetch(&format!("vault:{v1}/never#api_key")).await,
        Got::Miss
    );
    assert_eq!(
        auto.fetch(&format!("vault:{v2}/never#api_key")).await,
        Got::Miss
    );

    use ErrorKind as E;
    for (store, reference, kind, words) in [
        (
            &auto,
            format!("vault:{v2}/gone#api_key"),
            E::Deleted,
            "version 1 was deleted",
        ),
        (
            &auto,
            format!("vault:{v2}/destroyed#api_key"),
            E::Deleted,
            "version 1 was destroyed",
        ),
        (
            &auto,
            format!("vault:{v2}/here#other"),
            E::FieldAbsent,
            "field is not",
        ),
        (
            &auto,
            format!("vault:{v1}/here#other"),
            E::FieldAbsent,
            "field is not",
        ),
        (
            &auto,
            "vault:mistyped/here#k".into(),
            E::Misconfigured,
            "mounted at `mistyped`",
        ),
        (
            &as_v2,
            "vault:mistyped/here#k".into(),
            E::Misconfigured,
            "mounted at `mistyped`",
        ),
        (
            &as_v1,
            format!("vault:{v2}/here#api_key"),
            E::Misconfigured,
            "KV version 2",
        ),
        (
            &auto,
            format!("vault:{v1}/here?version=1#api_key"),
            E::Misconfigured,
            "version 1",
        ),
        (
            &auto,
            format!("vault:{v2}/here?namespace=nobody#k"),
            E::Misconfigured,
            "namespace",
        ),
    ] {
        store.fetch(&reference).await.fails_with(kind, words);
    }
}

#[tokio::test]
async fn nothing_on_a_mount_that_is_another_than_it_was_is_no_miss() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let folder = tempfile::tempdir().unwrap();
    let store = |kv: Value| {
        let more = json!({ "kv": kv });
        Store::new(with_token(&proxy.url(), bao.token(), folder.path(), more))
    };
    let (mount, described) = (unique("kv"), "sys/internal/ui/mounts");
    let (there, never) = (
        format!("vault:{mount}/ai#api_key"),
        format!("vault:{mount}/never#api_key"),
    );
    let (auto, as_v2) = (store(json!("auto")), store(json!(2)));
    bao.mount_kv(&mount, 2);
    bao.put_kv2(&mount, "ai", &json!({ "api_key": "canary-2" }));
    assert_eq!(auto.fetch(&there).await.value(), "canary-2");
    assert_eq!(auto.fetch(&there).await.value(), "canary-2");
    assert_eq!(proxy.count(described), 1, "a hit asks once and for all");
    assert_eq!(auto.fetch(&never).await, Got::Miss);
    assert_eq!(proxy.count(described), 2, "a miss asks again");
    assert_eq!(as_v2.fetch(&never).await, Got::Miss);

    let remake = |version| {
        bao.ask("DELETE", &format!("sys/mounts/{mount}"), None)
            .unwrap();
        bao.mount_kv(&mount, version);
    };
    remake(1);
    bao.put_kv1(&mount, "ai", &json!({ "api_key": "canary-1" }));
    let moved = auto.fetch(&there).await;
    assert_eq!(moved.value(), "canary-1", "what is there is found");
    assert_eq!(auto.fetch(&never).await, Got::Miss);
    as_v2
        .fetch(&there)
        .await
        .fails_with(ErrorKind::Misconfigured, "not KV version 2");

    remake(2);
    bao.put_kv2(&mount, "ai", &json!({ "api_key": "canary-new" }));
    let relearnt = auto.fetch(&there).await;
    assert_eq!(relearnt.value(), "canary-new", "and the other way round");
    store(json!(1))
        .fetch(&format!("vault:{mount}/data/never#api_key"))
        .await
        .fails_with(ErrorKind::Misconfigured, "KV version 2");
}

#[tokio::test]
async fn a_value_that_is_no_key_is_refused_unseen() {
    let bao = DevServer::shared();
    let mount = bao.fresh_kv(2);
    let fields = json!({
        "line": "canary\n", "empty": "", "number": 7, "long": "canary".repeat(10_000),
    });
    bao.put_kv2(&mount, "ai", &fields);
    let store = root(json!({}));
    for field in ["line", "empty", "number", "long"] {
        store
            .fetch(&format!("vault:{mount}/ai#{field}"))
            .await
            .fails_with(ErrorKind::Malformed, "");
    }
}

#[tokio::test]
async fn a_namespace_comes_from_the_settings_or_the_reference() {
    let bao = DevServer::shared();
    let name = unique("team");
    bao.create_namespace(&name);
    let team = bao.in_namespace(&name);
    let mount = team.fresh_kv(2);
    team.put_kv2(&mount, "ai", &json!({ "api_key": "canary-theirs" }));
    let by_reference = format!("vault:{mount}/ai?namespace={name}#api_key");
    assert_eq!(
        root(json!({})).fetch(&by_reference).await.value(),
        "canary-theirs"
    );
    let store = root(json!({ "namespace": name }));
    assert_eq!(
        store
            .fetch(&format!("vault:{mount}/ai#api_key"))
            .await
            .value(),
        "canary-theirs"
    );
}

#[tokio::test]
async fn a_role_logs_in_once_again_when_its_token_dies_and_leaves_nothing_behind() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let path = unique("ai");
    bao.put_kv2("secret", &path, &json!({ "api_key": "canary" }));
    let role = bao.app_role(&reads(&path), &json!({ "token_ttl": "10m" }));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(with_role(&proxy.url(), &role, folder.path()));
    let reference = format!("vault:secret/{path}#api_key");
    let logins = || proxy.count("auth/approle/login");
    assert_eq!(logins(), 0, "building asks nobody");

    let together = (0..20).map(|_| store.fetch(&reference));
    for got in futures_util::future::join_all(together).await {
        assert_eq!(got.value(), "canary");
    }
    assert_eq!(logins(), 1);

    bao.revoke_accessor(&bao.tokens_of(&role)[0]);
    assert_eq!(store.fetch(&reference).await.value(), "canary");
    assert_eq!(logins(), 2);

    // A token that lives and may not is no reason to log in.
    store
        .fetch("vault:secret/others#k")
        .await
        .fails_with(ErrorKind::Forbidden, "policies");
    assert_eq!(logins(), 2);

    assert_eq!(bao.tokens_of(&role).len(), 1);
    store.close().await;
    assert_eq!(bao.tokens_of(&role), [""; 0]);
    store
        .fetch(&reference)
        .await
        .fails_with(ErrorKind::LoginFailed, "shutting down");
    assert_eq!(
        bao.tokens_of(&role),
        [""; 0],
        "a login while closing is revoked at once"
    );
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_any_more_leaves_no_token_behind() {
    let bao = DevServer::shared();
    let path = unique("ai");
    bao.put_kv2("secret", &path, &json!({ "api_key": "canary" }));
    let reference = format!("vault:secret/{path}#api_key");
    for is_late in [true, false] {
        let proxy = PausingProxy::start(bao.address());
        let role = bao.app_role(&reads(&path), &json!({ "token_ttl": "10m" }));
        let folder = tempfile::tempdir().unwrap();
        let mut settings = with_role(&proxy.url(), &role, folder.path());
        settings["vault"]["timeout"] = json!(if is_late { "1s" } else { "1h" });
        let store = Store::new(settings);
        proxy.hold("auth/approle/login");
        if is_late {
            let late = store.fetch(&reference).await;
            late.fails_with(ErrorKind::TimedOut, "timeout");
        } else {
            let asked = async {
                while bao.tokens_of(&role).is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                got = store.fetch(&reference) => panic!("nothing was answered, but {got:?}"),
                () = asked => {} // The only waiter goes.
            }
        }
        // Vault has answered; the answer is on its way.
        let one = || (bao.tokens_of(&role).len() == 1).then_some(());
        crate::support::environment::wait_for(one);
        if is_late {
            // Whoever comes next waits for the same login.
            let next = async { store.fetch(&reference).await };
            let release = async { proxy.release() };
            let (next, ()) = tokio::join!(next, release);
            assert_eq!(next.value(), "canary");
            assert_eq!(proxy.count("auth/approle/login"), 1);
            store.close().await;
        } else {
            tokio::join!(store.close(), async { proxy.release() });
        }
        assert_eq!(bao.tokens_of(&role), [""; 0], "late: {is_late}");
    }
}

#[tokio::test]
async fn a_token_is_replaced_before_its_life_ends() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let path = unique("ai");
    bao.put_kv2("secret", &path, &json!({ "api_key": "canary" }));
    // Nine tenths of a second are over once the server itself has dropped the first token.
    let role = bao.app_role(&reads(&path), &json!({ "token_ttl": "1s" }));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(with_role(&proxy.url(), &role, folder.path()));
    let reference = format!("vault:secret/{path}#api_key");
    assert_eq!(store.fetch(&reference).await.value(), "canary");
    crate::support::environment::wait_for(|| bao.tokens_of(&role).is_empty().then_some(()));
    assert_eq!(store.fetch(&reference).await.value(), "canary");
    assert_eq!(proxy.count("auth/approle/login"), 2);
    assert_eq!(
        proxy.count("auth/token/lookup-self"),
        0,
        "the dead token was not even tried"
    );
}

#[tokio::test]
async fn a_login_that_fails_says_what_to_look_at() {
    let bao = DevServer::shared();
    let role = bao.app_role(&reads("x"), &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let settings = with_role(bao.address(), &role, folder.path());
    let secret_id_file = folder.path().join("secret_id");
    let reference = "vault:secret/x#k";

    write_private(&secret_id_file, "canary-wrong");
    let wrong = Store::new(settings.clone()).fetch(reference).await;
    wrong.fails_with(
        ErrorKind::LoginFailed,
        &secret_id_file.display().to_string(),
    );

    let mut elsewhere = settings.clone();
    elsewhere["vault"]["auth"]["approle"]["mount"] = json!("nowhere");
    Store::new(elsewhere)
        .fetch(reference)
        .await
        .fails_with(ErrorKind::LoginFailed, "`nowhere`");

    std::fs::remove_file(&secret_id_file).unwrap();
    let absent = Store::new(settings).fetch(reference).await;
    absent.fails_with(ErrorKind::LoginFailed, "does not exist");

    let nothing = json!({ "vault": { "address": bao.address() } });
    let taken = [("VAULT_TOKEN", None), ("BAO_TOKEN", None)];
    let none = Store::with_taken(nothing.clone(), &taken)
        .unwrap()
        .fetch(reference)
        .await;
    none.fails_with(ErrorKind::LoginFailed, "VAULT_TOKEN");

    let taken = [("VAULT_TOKEN", Some("root"))];
    bao.put_kv2("secret", "x", &json!({ "k": "canary" }));
    assert_eq!(
        Store::with_taken(nothing, &taken)
            .unwrap()
            .fetch(reference)
            .await
            .value(),
        "canary"
    );
}

#[tokio::test]
async fn a_token_file_is_read_again_and_its_token_is_not_revoked() {
    let bao = DevServer::shared();
    bao.put_kv2("secret", "file", &json!({ "k": "canary" }));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(with_token(
        bao.address(),
        "canary-dead",
        folder.path(),
        json!({}),
    ));
    let reference = "vault:secret/file#k";
    store
        .fetch(reference)
        .await
        .fails_with(ErrorKind::LoginFailed, "does not know the token in");
    write_private(&folder.path().join("token"), "root\n");
    assert_eq!(store.fetch(reference).await.value(), "canary");
    store.close().await;
    assert_eq!(bao.get("auth/token/lookup-self")["data"]["id"], "root");

    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("token"), open).unwrap();
    store
        .fetch(reference)
        .await
        .fails_with(ErrorKind::UnsafePermissions, "chmod 600");
}

#[tokio::test]
async fn neither_key_nor_token_nor_secret_id_is_traced_at_any_level() {
    let bao = DevServer::shared();
    let path = unique("ai");
    bao.put_kv2("secret", &path, &json!({ "api_key": "canary" }));
    let role = bao.app_role(&reads(&path), &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(with_role(bao.address(), &role, folder.path()));
    let (trace, _guard) = Trace::start();
    let reference = format!("vault:secret/{path}#api_key");
    assert_eq!(store.fetch(&reference).await.value(), "canary");
    store
        .fetch("vault:secret/others#k")
        .await
        .fails_with(ErrorKind::Forbidden, "policies");
    store.close().await;
    let said = trace.text();
    assert!(
        said.contains("rustify"),
        "the crates that are watched do trace"
    );
    for secret in [CANARY, &role.secret_id] {
        assert_eq!(said.lines().find(|line| line.contains(secret)), None);
    }
    let words = said.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let mut tokens = words.filter(|word| word.starts_with("s.") && word.len() > 20);
    assert_eq!(tokens.next(), None, "a token of OpenBao begins with `s.`");
    let errors: Vec<_> = said.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors, [""; 0], "what Vault refuses is ours to report");
}

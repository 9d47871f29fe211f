//! Each login, once, through the real binary; and what it leaves at the server.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::json;

use super::{
    Readable, Store, check,
    proofs::{Cluster, Issuer, REVIEWER},
    setup, with_file,
};
use crate::support::{environment::unique, keyward::write_private, openbao::DevServer};

/// The login works, and its token is revoked when the command ends.
#[track_caller]
pub(super) fn works(setup: &crate::support::keyward::Setup, mount: &str) {
    assert_eq!(check(setup), Ok(()));
    let left = DevServer::shared().tokens_at(mount);
    assert_eq!(left, [""; 0], "the login is revoked");
}

#[test]
fn a_token_comes_from_a_file_a_helper_or_a_variable_and_is_not_revoked() {
    let bao = DevServer::shared();
    let secret = Readable::at(bao);
    let (token, accessor) = bao.make_token(&json!({ "policies": [secret.policy] }));
    let arrange = |auth| setup(bao.address(), &secret.path, auth, "");
    let file = with_file(arrange("token_file: token"), "token", &token);
    assert_eq!(check(&file), Ok(()));

    let helper = arrange("token_helper: {}");
    let home = helper.folder().join("home");
    write_private(&home.join(".vault-token"), &token);
    assert_eq!(check(&helper), Ok(()));
    let elsewhere = with_file(arrange("token_helper: { path: my }"), "my", &token);
    assert_eq!(check(&elsewhere), Ok(()));
    let named = with_file(arrange("token_helper: {}"), "other", &token);
    let place = named.folder().join("other");
    assert_eq!(check(&named.env("BAO_TOKEN_PATH", place)), Ok(()));

    for variable in ["VAULT_TOKEN", "BAO_TOKEN"] {
        assert_eq!(check(&arrange("").env(variable, &token)), Ok(()));
    }
    assert!(
        bao.look_up_accessor(&accessor).is_some(),
        "it is not ours to revoke"
    );
}

#[test]
fn a_role_logs_in_with_its_secret_id_or_without_one_that_it_does_not_ask_for() {
    let bao = DevServer::shared();
    let (secret, mount) = (Readable::at(bao), bao.fresh_auth("approle"));
    let role = format!("auth/{mount}/role/app");
    let settings = json!({ "token_policies": [secret.policy] });
    bao.put(&role, &settings);
    let id = bao.get(&format!("{role}/role-id"))["data"]["role_id"].clone();
    let made = bao.put(&format!("{role}/secret-id"), &json!({}));
    let secret_id = made["data"]["secret_id"].as_str().unwrap();
    let auth = format!("approle: {{ role_id: {id}, mount: {mount}, secret_id_file: secret_id }}");
    let with_secret_id = setup(bao.address(), &secret.path, &auth, "");
    works(
        &with_file(with_secret_id, "secret_id", &format!("{secret_id}\n")),
        &mount,
    );

    let open = json!({
        "token_policies": [secret.policy], "bind_secret_id": false,
        "token_bound_cidrs": ["127.0.0.0/8"],
    });
    let role = format!("auth/{mount}/role/open");
    bao.put(&role, &open);
    let id = bao.get(&format!("{role}/role-id"))["data"]["role_id"].clone();
    let auth = format!("approle: {{ role_id: {id}, mount: {mount} }}");
    works(&setup(bao.address(), &secret.path, &auth, ""), &mount);
}

#[test]
fn a_user_logs_in_with_a_password() {
    let bao = DevServer::shared();
    let (secret, mount) = (Readable::at(bao), bao.fresh_auth("userpass"));
    let user = json!({ "password": "canary pass\u{e9}", "token_policies": [secret.policy] });
    bao.put(&format!("auth/{mount}/users/keyward"), &user);
    let auth = format!("userpass: {{ username: keyward, password_file: pw, mount: {mount} }}");
    let setup = setup(bao.address(), &secret.path, &auth, "");
    works(&with_file(setup, "pw", "canary pass\u{e9}\n"), &mount);
}

#[test]
fn a_jwt_logs_in_and_is_read_again_when_it_has_rotated() {
    let bao = DevServer::shared();
    let (secret, mount) = (Readable::at(bao), bao.fresh_auth("jwt"));
    let issuer = Issuer::new();
    let keys = json!({ "jwt_validation_pubkeys": [issuer.public_key()], "default_role": "app" });
    bao.put(&format!("auth/{mount}/config"), &keys);
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": [secret.policy],
    });
    bao.put(&format!("auth/{mount}/role/app"), &role);
    for audience in [json!("vault"), json!(["other", "vault"])] {
        let jwt = issuer.sign(&json!({ "aud": audience }));
        for role in ["role: app, audience: vault, ", "role: app, ", ""] {
            let auth = format!("jwt: {{ {role}token_file: jwt, mount: {mount} }}");
            let setup = setup(bao.address(), &secret.path, &auth, "");
            works(&with_file(setup, "jwt", &jwt), &mount);
        }
    }
}

#[test]
fn a_service_account_logs_in_with_a_token_that_the_cluster_reviews() {
    let bao = DevServer::shared();
    let (secret, mount) = (Readable::at(bao), bao.fresh_auth("kubernetes"));
    let (cluster, issuer) = (Cluster::start(), Issuer::new());
    let config = json!({
        "kubernetes_host": cluster.url(), "token_reviewer_jwt": REVIEWER,
        "disable_local_ca_jwt": true, "kubernetes_ca_cert": issuer.public_key(),
    });
    bao.put(&format!("auth/{mount}/config"), &config);
    let role = json!({
        "bound_service_account_names": "keyward", "bound_service_account_namespaces": "pods",
        "token_policies": [secret.policy],
    });
    bao.put(&format!("auth/{mount}/role/app"), &role);
    let account = json!({ "namespace": "pods", "serviceaccount": { "name": "keyward",
                          "uid": "uid-keyward" } });
    let token = issuer.sign(&json!({
        "sub": "system:serviceaccount:pods:keyward", "kubernetes.io": account,
    }));
    cluster.know(&token, "keyward");
    let auth = format!("kubernetes: {{ role: app, token_file: sa, mount: {mount} }}");
    let setup = setup(bao.address(), &secret.path, &auth, "");
    works(&with_file(setup, "sa", &token), &mount);
}

#[test]
fn a_login_happens_in_the_namespace_of_the_settings_or_of_the_variable() {
    let root = DevServer::shared();
    let name = unique("team");
    root.create_namespace(&name);
    let team = root.in_namespace(&name);
    team.mount_kv("secret", 2);
    let (secret, mount) = (Readable::at(&team), team.fresh_auth("userpass"));
    let user = json!({ "password": "canary", "token_policies": [secret.policy] });
    team.put(&format!("auth/{mount}/users/keyward"), &user);
    let auth = format!("userpass: {{ username: keyward, password_file: pw, mount: {mount} }}");
    let arrange = |more: &str| {
        let setup = setup(team.address(), &secret.path, &auth, more);
        with_file(setup, "pw", "canary")
    };
    assert_eq!(check(&arrange(&format!(", namespace: {name}"))), Ok(()));
    assert_eq!(check(&arrange("").env("VAULT_NAMESPACE", &name)), Ok(()));
    assert_eq!(team.tokens_at(&mount), [""; 0]);
    let nowhere = arrange(", namespace: nowhere");
    super::fails_with(
        &nowhere,
        &["login failed", "no such namespace", "`nowhere`"],
    );
}

/// Everything that any crate traces on this thread while it lives, at the finest level.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<u8>>>);

impl Write for Trace {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_proof_is_traced_at_any_level() {
    let bao = DevServer::shared();
    let secret = Readable::at(bao);
    let (userpass, jwt, approle) = (
        bao.fresh_auth("userpass"),
        bao.fresh_auth("jwt"),
        bao.fresh_auth("approle"),
    );
    let user = json!({ "password": "canary-password", "token_policies": [secret.policy] });
    bao.put(&format!("auth/{userpass}/users/keyward"), &user);
    let issuer = Issuer::new();
    let keys = json!({ "jwt_validation_pubkeys": [issuer.public_key()] });
    bao.put(&format!("auth/{jwt}/config"), &keys);
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_subject": "canary-subject",
        "token_policies": [secret.policy],
    });
    bao.put(&format!("auth/{jwt}/role/app"), &role);
    let role = json!({ "token_policies": [secret.policy] });
    bao.put(&format!("auth/{approle}/role/app"), &role);
    let id = bao.get(&format!("auth/{approle}/role/app/role-id"))["data"]["role_id"].clone();
    let wrapping = bao.wrapped(&format!("auth/{approle}/role/app/secret-id"), &json!({}));
    let token = issuer.sign(&json!({}));

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        write_private(&path, content);
        path
    };
    let proofs = ["canary-password", &token, &wrapping];
    let [password, jwt_file, w] = [0, 1, 2].map(|at| file(&at.to_string(), proofs[at]));
    let trace = Trace::default();
    let writer = trace.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    for auth in [
        json!({ "userpass": { "username": "keyward", "password_file": password,
                              "mount": userpass } }),
        json!({ "jwt": { "role": "app", "token_file": jwt_file, "mount": jwt } }),
        json!({ "approle": { "role_id": id, "wrapped_secret_id_file": w, "mount": approle } }),
    ] {
        let vault = json!({ "address": bao.address(), "auth": auth });
        let store = Store::new(vault, &secret.path);
        assert_eq!(store.fetch().await.as_deref(), Ok("canary-key"));
        store.close().await;
    }
    drop(guard);
    let said = String::from_utf8_lossy(&trace.0.lock().unwrap()).into_owned();
    assert!(
        said.contains("rustify"),
        "the crates that are watched do trace"
    );
    for proof in proofs {
        assert!(!said.contains(proof), "{proof} was traced");
    }
    let words = said.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let mut tokens = words.filter(|word| word.starts_with("s.") && word.len() > 20);
    assert_eq!(tokens.next(), None, "a token of OpenBao begins with `s.`");
}

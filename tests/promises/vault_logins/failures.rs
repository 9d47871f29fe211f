//! Each login that fails says what to look at: to the operator, and to nobody else.

use serde_json::{Value, json};

use super::{
    fails_with,
    proofs::{Cluster, Issuer, REVIEWER, now},
    setup, with_file,
};
use crate::{
    promises::arrangement::{KEY, chat_settings},
    support::{
        keyward::{LEGACY, Setup},
        openbao::DevServer,
        upstream::{Dialect, Upstream},
    },
};

/// A setup whose one file is `proof`.
fn proving(auth: &str, proof: &str) -> Setup {
    let bao = DevServer::shared();
    with_file(setup(bao.address(), "any", auth, ""), "proof", proof)
}

#[test]
fn a_wrong_password_user_or_mount_is_told() {
    let bao = DevServer::shared();
    let mount = bao.fresh_auth("userpass");
    bao.put(
        &format!("auth/{mount}/users/keyward"),
        &json!({ "password": "right" }),
    );
    let auth = |user: &str, mount: &str| {
        format!("userpass: {{ username: {user}, password_file: proof, mount: {mount} }}")
    };
    let wrong = proving(&auth("keyward", &mount), "canary-wrong");
    fails_with(
        &wrong,
        &[
            "login failed",
            "/proof is wrong",
            "auth.userpass.username",
            &mount,
        ],
    );
    fails_with(
        &proving(&auth("nobody", &mount), "right"),
        &["auth.userpass.username"],
    );
    let nowhere = proving(&auth("keyward", "nowhere"), "right");
    fails_with(
        &nowhere,
        &["`nowhere`", "is userpass enabled at this `mount`"],
    );
    let absent = setup(bao.address(), "any", &auth("keyward", &mount), "");
    fails_with(&absent, &["auth.userpass.password_file", "does not exist"]);
    fails_with(
        &proving(&auth("keyward", &mount), "ca\tnary"),
        &["control character"],
    );
}

#[test]
fn a_wrong_role_or_secret_id_is_told() {
    let bao = DevServer::shared();
    let role = bao.app_role(
        "path \"x\" { capabilities = [\"deny\"] }",
        &json!({ "secret_id_num_uses": 1 }),
    );
    let auth = |id: &str| format!("approle: {{ role_id: {id}, secret_id_file: proof }}");
    let told = [
        "auth.approle.role_id",
        "/proof is wrong, expired or used up",
    ];
    fails_with(&proving(&auth(&role.role_id), "canary-wrong"), &told);
    fails_with(&proving(&auth("wrong"), &role.secret_id), &told);
    bao.log_in(&role);
    fails_with(&proving(&auth(&role.role_id), &role.secret_id), &told);
    let none = format!("approle: {{ role_id: {} }}", role.role_id);
    fails_with(
        &proving(&none, ""),
        &["asks for a secret id", "auth.approle.secret_id_file"],
    );
}

#[test]
fn a_jwt_that_is_late_early_for_another_or_by_another_is_told() {
    let bao = DevServer::shared();
    let mount = bao.fresh_auth("jwt");
    let issuer = Issuer::new();
    let keys = json!({ "jwt_validation_pubkeys": [issuer.public_key()] });
    bao.put(&format!("auth/{mount}/config"), &keys);
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "bound_subject": "canary-subject",
    });
    bao.put(&format!("auth/{mount}/role/app"), &role);
    let auth = |more: &str| format!("jwt: {{ token_file: proof, mount: {mount}, {more} }}");
    let of = |claims: Value| {
        let mut all = json!({ "aud": "vault" });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        issuer.sign(&all)
    };
    let (past, future) = (now() - 7200, now() + 7200);
    let good = of(json!({}));
    for (more, jwt, told) in [
        (
            "role: nobody",
            &good,
            &["no such role", "auth.jwt.role"][..],
        ),
        (" ", &good, &["no default role", "auth.jwt.role"]),
        (
            "role: app",
            &of(json!({ "iat": past, "nbf": past, "exp": past + 60 })),
            &["/proof has expired", "must renew it"],
        ),
        (
            "role: app",
            &of(json!({ "iat": future, "nbf": future, "exp": future + 60 })),
            &["/proof is not valid yet", "clock of its issuer is ahead"],
        ),
        (
            "role: app",
            &of(json!({ "iat": future, "exp": future + 60 })),
            &["/proof is not valid yet by Vault's clock", "disagree"],
        ),
        (
            "role: app",
            &of(json!({ "aud": "canary-other" })),
            &["another audience", "bound_audiences"],
        ),
        (
            "role: app",
            &Issuer::new().sign(&json!({ "aud": "vault" })),
            &["/proof is not signed"],
        ),
        (
            "role: app",
            &of(json!({ "sub": "canary-somebody" })),
            &["bound claims or subject", "auth.jwt.role"],
        ),
        (
            "role: app",
            &"canary".to_owned(),
            &["/proof holds no JWT", "not sent"],
        ),
    ] {
        fails_with(&proving(&auth(more), jwt), told);
    }
}

#[test]
fn a_jwt_for_another_audience_is_not_even_sent() {
    let proxy = crate::support::pausing_proxy::PausingProxy::start(DevServer::shared().address());
    let issuer = Issuer::new();
    for claims in [
        json!({ "aud": "canary-other" }),
        json!({ "aud": ["a", "b"] }),
        json!({}),
    ] {
        let auth = "jwt: { role: app, token_file: jwt, audience: vault }";
        let setup = setup(&proxy.url(), "any", auth, "");
        let setup = with_file(setup, "jwt", &issuer.sign(&claims));
        fails_with(
            &setup,
            &["not for the audience `vault`", "auth.jwt.audience", "/jwt"],
        );
    }
    assert_eq!(proxy.requests(), [""; 0]);
}

#[test]
fn a_service_account_that_the_role_or_the_cluster_does_not_take_is_told() {
    let bao = DevServer::shared();
    let mount = bao.fresh_auth("kubernetes");
    let (cluster, issuer) = (Cluster::start(), Issuer::new());
    let config = json!({
        "kubernetes_host": cluster.url(), "token_reviewer_jwt": REVIEWER,
        "disable_local_ca_jwt": true, "kubernetes_ca_cert": issuer.public_key(),
    });
    bao.put(&format!("auth/{mount}/config"), &config);
    let role = |name: &str| json!({ "bound_service_account_names": name, "bound_service_account_namespaces": "pods" });
    bao.put(&format!("auth/{mount}/role/app"), &role("keyward"));
    bao.put(&format!("auth/{mount}/role/other"), &role("other"));
    let of = |expiry: u64| {
        issuer.sign(&json!({
            "sub": "system:serviceaccount:pods:keyward", "exp": expiry,
            "kubernetes.io": { "namespace": "pods", "serviceaccount": { "name": "keyward",
                               "uid": "uid-keyward" } },
        }))
    };
    let token = of(now() + 600);
    cluster.know(&token, "keyward");
    let auth =
        |role: &str| format!("kubernetes: {{ role: {role}, token_file: proof, mount: {mount} }}");
    let role = "auth.kubernetes.role";
    fails_with(&proving(&auth("nobody"), &token), &["no such role", role]);
    fails_with(
        &proving(&auth("other"), &token),
        &["not bound to this pod's", role],
    );
    let unknown = of(now() + 601);
    fails_with(
        &proving(&auth("app"), &unknown),
        &["did not recognise", "/proof"],
    );
    fails_with(&proving(&auth("app"), "canary"), &["/proof holds no JWT"]);
    let absent = setup(bao.address(), "any", "kubernetes: { role: app }", "");
    let place = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    fails_with(
        &absent,
        &[place, "auth.kubernetes.token_file", "does not exist"],
    );
}

#[test]
fn a_token_that_is_dead_or_absent_is_told_by_where_it_is() {
    let bao = DevServer::shared();
    let dead = proving("token_file: proof", "s.canary");
    fails_with(&dead, &["login failed", "/proof (expired or revoked)"]);
    let (token, accessor) = bao.make_token(&json!({ "policies": ["default"] }));
    bao.revoke_accessor(&accessor);
    fails_with(
        &proving("", "").env("VAULT_TOKEN", token),
        &["in BAO_TOKEN or VAULT_TOKEN"],
    );
    let helper = setup(bao.address(), "any", "token_helper: {}", "");
    fails_with(
        &helper,
        &["/home/.vault-token does not exist", "vault login"],
    );
    fails_with(
        &setup(bao.address(), "any", "", ""),
        &["neither BAO_TOKEN nor VAULT_TOKEN"],
    );
}

#[test]
fn a_client_learns_only_that_the_secret_is_unavailable() {
    let bao = DevServer::shared();
    let mount = bao.fresh_auth("userpass");
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let settings = chat_settings(&upstream, "vault:secret/any#k");
    let user = "username: hidden-user, password_file: hidden-file";
    let auth = format!("userpass: {{ {user}, mount: {mount} }}");
    let vault = format!(
        "vault: {{ address: \"{}\", auth: {{ {auth} }} }}",
        bao.address()
    );
    let provider = format!("secrets:\n  providers:\n    {vault}\n");
    let setup = Setup::with_config(&settings.replace("secrets:\n", &provider));
    let mut keyward = with_file(setup, "hidden-file", "canary").serve();
    keyward.initialize(LEGACY);
    let result = keyward.call("chat", json!({ "prompt": "ping" }))["result"].clone();
    assert_eq!(result["isError"], true, "{result}");
    let (text, address) = (
        result.to_string(),
        bao.address().trim_start_matches("http://"),
    );
    assert!(text.contains("is unavailable (request id "), "{text}");
    for hidden in ["hidden", "login", "vault", "userpass", "canary", address] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
    keyward.close();
    let log = keyward.process.stderr_to_end();
    assert!(
        log.contains("hidden-file") && !log.contains("canary"),
        "{log}"
    );
}

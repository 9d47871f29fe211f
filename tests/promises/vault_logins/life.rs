//! The life of our own token: renewed while it is used, replaced before its end, revoked at ours.
//!
//! Lives are seconds long, on a real server. What is waited for is seen at the server: a token's
//! end that moved, a token that is gone.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, extract::Request, http::StatusCode, routing::any};
use serde_json::{Value, json};

use super::{Readable, Store};
use crate::support::{
    environment::wait_for, keyward::write_private, openbao::DevServer, pausing_proxy::PausingProxy,
    tls::HttpServer,
};

/// A store that logs in by a role with these settings, through a proxy that counts.
struct Ours {
    store: Store,
    proxy: PausingProxy,
    mount: String,
    _folder: tempfile::TempDir,
}

impl Ours {
    fn new(settings: Value) -> Self {
        Self::behind(DevServer::shared().address(), settings)
    }

    /// The same with something between the proxy and the server.
    fn behind(address: &str, mut settings: Value) -> Self {
        let bao = DevServer::shared();
        let secret = Readable::at(bao);
        settings["token_policies"] = json!([secret.policy]);
        let mount = bao.fresh_auth("approle");
        let role = format!("auth/{mount}/role/app");
        bao.put(&role, &settings);
        let id = bao.get(&format!("{role}/role-id"))["data"]["role_id"].clone();
        let made = bao.put(&format!("{role}/secret-id"), &json!({}));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret_id");
        write_private(&file, made["data"]["secret_id"].as_str().unwrap());
        let proxy = PausingProxy::start(address);
        let approle = json!({ "role_id": id, "mount": mount, "secret_id_file": file });
        let vault = json!({ "address": proxy.url(), "auth": { "approle": approle } });
        Self {
            store: Store::new(vault, &secret.path),
            proxy,
            mount,
            _folder: folder,
        }
    }

    async fn fetch(&self) {
        assert_eq!(self.store.fetch().await.as_deref(), Ok("canary-key"));
    }

    fn tokens(&self) -> Vec<String> {
        DevServer::shared().tokens_at(&self.mount)
    }

    fn logins(&self) -> usize {
        self.proxy.count(&format!("auth/{}/login", self.mount))
    }

    fn renewals(&self) -> usize {
        self.proxy.count("auth/token/renew-self")
    }

    fn lookups(&self) -> usize {
        self.proxy.count("auth/token/lookup-self")
    }
}

/// Waits, while fetching, until `seen` is true.
async fn fetching_until(ours: &Ours, seen: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + crate::support::environment::PATIENCE;
    while !seen() {
        assert!(std::time::Instant::now() < deadline, "it never came");
        ours.fetch().await;
        tokio::task::yield_now().await;
    }
}

fn expiry(accessor: &str) -> Option<String> {
    let found = DevServer::shared().look_up_accessor(accessor)?;
    Some(found["expire_time"].as_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_use_is_renewed_and_not_replaced() {
    for settings in [
        json!({ "token_ttl": "4s" }),
        json!({ "token_period": "4s" }),
    ] {
        let ours = Ours::new(settings);
        ours.fetch().await;
        let token = ours.tokens().remove(0);
        let first = expiry(&token).unwrap();
        fetching_until(&ours, || expiry(&token).unwrap() > first).await;
        let second = expiry(&token).unwrap();
        fetching_until(&ours, || expiry(&token).unwrap() > second).await;
        assert_eq!((ours.logins(), ours.tokens().len()), (1, 1));
        ours.store.close().await;
        assert_eq!(ours.tokens(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_token_lapses_and_the_next_fetch_logs_in() {
    let ours = Ours::new(json!({ "token_ttl": "3s" }));
    ours.fetch().await;
    wait_for(|| ours.tokens().is_empty().then_some(())).expect("it lapses");
    assert_eq!(ours.renewals(), 1, "once, for the fetch that was");
    ours.fetch().await;
    assert_eq!(ours.logins(), 2);
    assert_eq!(ours.lookups(), 0, "the dead token was not even tried");
    ours.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_maximum_life_there_is_another_login_and_both_are_revoked() {
    let ours = Ours::new(json!({ "token_ttl": "10s", "token_max_ttl": "12s" }));
    ours.fetch().await;
    fetching_until(&ours, || ours.logins() == 2).await;
    assert!(ours.renewals() > 0);
    assert_eq!(ours.lookups(), 0, "no fetch met a dead token");
    assert_eq!(ours.tokens().len(), 2, "the first one is at its last tenth");
    ours.store.close().await;
    assert_eq!(ours.tokens(), [""; 0]);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once_and_a_forbidden_read_replaces_none() {
    // The second may not even look itself up.
    for no_default in [false, true] {
        let ours = Ours::new(json!({ "token_ttl": "10m", "token_no_default_policy": no_default }));
        ours.fetch().await;
        let bao = DevServer::shared();
        bao.revoke_accessor(&ours.tokens().remove(0));
        ours.fetch().await;
        assert_eq!(ours.logins(), 2);
        let forbidden = ours
            .store
            .fetch_from("vault:secret/others#k")
            .await
            .unwrap_err();
        assert!(forbidden.contains("policies do not allow"), "{forbidden}");
        assert_eq!((ours.logins(), ours.tokens().len()), (2, 1));
        ours.store.close().await;
    }
}

#[tokio::test]
async fn a_batch_token_is_neither_renewed_nor_revoked() {
    let ours = Ours::new(json!({ "token_ttl": "2s", "token_type": "batch" }));
    ours.fetch().await;
    fetching_until(&ours, || ours.logins() == 2).await;
    ours.store.close().await;
    assert_eq!(ours.renewals(), 0);
    assert_eq!(ours.proxy.count("revoke-self"), 0);
}

#[tokio::test]
async fn a_token_for_some_requests_is_spent_on_fetches_alone() {
    let ours = Ours::new(json!({ "token_ttl": "3s", "token_num_uses": 2 }));
    for logins in [1, 1, 2, 2] {
        ours.fetch().await;
        assert_eq!(ours.logins(), logins);
    }
    assert_eq!(ours.renewals(), 0);
    assert_eq!(ours.lookups(), 1, "when it was refused");
    ours.store.close().await;
}

/// Before a server: answers the first `failures` renewals with 503, and passes everything else on.
fn failing_renewals(target: &str, failures: usize) -> HttpServer {
    let refused = Arc::new(AtomicUsize::new(0));
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let (client, target) = (client.build().unwrap(), target.to_owned());
    let pass = move |request: Request| async move {
        let (parts, body) = request.into_parts();
        let is_renewal = parts.uri.path().ends_with("renew-self");
        if is_renewal && refused.fetch_add(1, Ordering::Relaxed) < failures {
            let body = json!({ "errors": ["Vault is sealed"] }).to_string();
            return (StatusCode::SERVICE_UNAVAILABLE, body.into_bytes());
        }
        let mut headers = parts.headers;
        headers.remove("host");
        headers.remove("content-length");
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let request = client.request(parts.method, format!("{target}{}", parts.uri));
        let answer = request.headers(headers).body(body).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    };
    HttpServer::start(Router::new().fallback(any(pass)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_fails_is_tried_again() {
    let front = failing_renewals(DevServer::shared().address(), 2);
    let ours = Ours::behind(&front.url(), json!({ "token_ttl": "8s" }));
    ours.fetch().await;
    let token = ours.tokens().remove(0);
    let first = expiry(&token).unwrap();
    fetching_until(&ours, || expiry(&token).unwrap() > first).await;
    assert_eq!((ours.renewals(), ours.logins()), (3, 1));
    ours.store.close().await;
}

/// A token that somebody else made, in a file.
fn supplied(mut settings: Value) -> (Store, PausingProxy, String, tempfile::TempDir) {
    let bao = DevServer::shared();
    let secret = Readable::at(bao);
    settings["policies"] = json!([secret.policy]);
    let (token, accessor) = bao.make_token(&settings);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    write_private(&file, &token);
    let proxy = PausingProxy::start(bao.address());
    let vault = json!({ "address": proxy.url(), "auth": { "token_file": file } });
    let store = Store::new(vault, &secret.path);
    (store, proxy, accessor, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplied_token_is_renewed_used_or_not_and_never_revoked() {
    let (store, proxy, accessor, _folder) = supplied(json!({ "ttl": "5s" }));
    assert_eq!(store.fetch().await.as_deref(), Ok("canary-key"));
    let first = expiry(&accessor).unwrap();
    let moved = |since: &str| {
        wait_for(|| (expiry(&accessor)?.as_str() > since).then_some(())).expect("it is renewed");
    };
    moved(&first);
    moved(&expiry(&accessor).unwrap());
    assert_eq!(proxy.count("lookup-self"), 1);
    store.close().await;
    assert!(expiry(&accessor).is_some());
    assert_eq!(proxy.count("revoke-self"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplied_token_for_one_request_is_spent_on_the_fetch() {
    let (store, proxy, _, _folder) = supplied(json!({ "ttl": "1h", "num_uses": 1 }));
    assert_eq!(store.fetch().await.as_deref(), Ok("canary-key"));
    wait_for(|| (proxy.count("lookup-self") == 1).then_some(())).expect("looked up afterwards");
    assert_eq!(proxy.count("renew-self"), 0);
    store.close().await;
}

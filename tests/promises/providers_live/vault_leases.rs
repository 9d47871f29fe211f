//! Dynamic secrets, lent by OpenBao's database engine out of a real PostgreSQL: one account serves
//! all who ask, lives while it is used, and is gone when it is not.
//!
//! Terms are seconds, and what ends by itself ends late enough for a slow machine; nothing here
//! asserts how long anything took.

use std::{future::Future, time::Duration};

use keyward::secrets::providers::ErrorKind;
use serde_json::{Value, json};

use super::{Got, Store, Trace, in_own_environment, vault::with_token};
use crate::support::{
    environment::{PATIENCE, wait_for},
    openbao::DevServer,
    openbao_api::AppRole,
    pausing_proxy::PausingProxy,
    postgres::{Lender, Postgres},
};

/// User name, password and version, fetched one after the other.
struct Credentials {
    user: String,
    password: String,
    version: String,
}

impl Credentials {
    fn open_the_database(&self) -> bool {
        Postgres::shared().lets_in(&self.user, &self.password)
    }
}

async fn fetch(store: &Store, lender: &Lender) -> Credentials {
    let (user, version) = field(store, lender, "username").await;
    let (password, of_password) = field(store, lender, "password").await;
    assert_eq!(version, of_password, "both are of one lease");
    Credentials {
        user,
        password,
        version,
    }
}

async fn field(store: &Store, lender: &Lender, field: &str) -> (String, String) {
    match store.fetch(&lender.reference(field)).await {
        Got::Value {
            value,
            version: Some(version),
            ..
        } => (value, version),
        other => panic!("no leased value but {other:?}"),
    }
}

/// Fetches until there is a lease other than `old`.
async fn next_after(store: &Store, lender: &Lender, old: &str) -> (String, String) {
    patiently(async {
        loop {
            let (user, version) = field(store, lender, "username").await;
            if version != old {
                return (user, version);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it comes to pass in time")
}

/// A store at `address` whose token is nobody's login, so that nothing but Keyward revokes leases.
fn store(address: &str) -> Store {
    let folder = tempfile::tempdir().unwrap().keep();
    let bao = DevServer::shared();
    Store::new(with_token(address, bao.token(), &folder, json!({})))
}

fn role(lender: &Lender, settings: &Value) -> AppRole {
    let rules = format!("path \"{}\" {{ capabilities = [\"read\"] }}", lender.path());
    DevServer::shared().app_role(&rules, settings)
}

fn store_of_role(address: &str, role: &AppRole) -> Store {
    let folder = tempfile::tempdir().unwrap().keep();
    let secret_id_file = role.write_secret_id(&folder);
    let approle = json!({ "role_id": role.role_id, "secret_id_file": secret_id_file });
    Store::new(json!({ "vault": { "address": address, "auth": { "approle": approle } } }))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_ask_share_one_account_that_is_given_back_at_the_end() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let lender = Postgres::shared().lend(bao, "10m", "1h");
    let store = store(&proxy.url());
    let together = (0..40).map(|n| {
        let name = if n % 2 == 0 { "username" } else { "password" };
        field(&store, &lender, name)
    });
    let got = futures_util::future::join_all(together).await;
    assert!(got.iter().all(|(_, version)| *version == got[0].1));
    let credentials = fetch(&store, &lender).await;
    assert!(credentials.open_the_database());
    assert_eq!(lender.accounts(), [credentials.user.as_str()]);
    assert_eq!(proxy.count("/creds/"), 1);
    let id = &lender.leases(bao)[0]["id"];
    let secret_part = id.as_str().unwrap().rsplit('/').next().unwrap();
    assert!(!credentials.version.contains(secret_part));

    // A lease that is held needs no Vault.
    proxy.hold("");
    let again = patiently(fetch(&store, &lender)).await;
    assert_eq!(again.version, credentials.version);
    proxy.release();

    store.close().await;
    lender.wait_for_accounts(0);
    assert!(!credentials.open_the_database());
    assert_eq!(proxy.count("sys/leases/revoke"), 1);
    store
        .fetch(&lender.reference("username"))
        .await
        .fails_with(ErrorKind::LoginFailed, "shutting down");
    assert_eq!(lender.accounts(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_while_it_is_used_and_given_back_when_it_is_not() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let lender = Postgres::shared().lend(bao, "6s", "1h");
    let store = store(&proxy.url());
    let credentials = fetch(&store, &lender).await;
    let valid_until = Postgres::shared().valid_until(&credentials.user);
    let renewed = || (!lender.leases(bao).first()?["last_renewal"].is_null()).then_some(());
    wait_for(renewed).expect("the lease is renewed");
    let later = Postgres::shared().valid_until(&credentials.user);
    assert!(later > valid_until, "{later} after {valid_until}");

    // Nobody has asked since.
    lender.wait_for_accounts(0);
    assert_eq!(proxy.count("sys/leases/renew"), 1);
    assert_eq!(proxy.count("sys/leases/revoke"), 1);
    assert_eq!(store.pool.used_bytes(), 0, "its values are wiped");
    assert_ne!(fetch(&store, &lender).await.version, credentials.version);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_its_longest_life_ends_a_lease_is_replaced_and_the_old_one_lives_on() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let lender = Postgres::shared().lend(bao, "12s", "15s");
    let store = store(&proxy.url());
    let first = fetch(&store, &lender).await;
    let (user, version) = next_after(&store, &lender, &first.version).await;
    let second = fetch(&store, &lender).await;
    assert_eq!((&second.user, &second.version), (&user, &version));
    assert!(first.open_the_database(), "whoever got it can still use it");
    assert!(second.open_the_database());
    assert_eq!(proxy.count("/creds/"), 2);
    assert_eq!(proxy.count("sys/leases/revoke"), 0);
    store.close().await;
    lender.wait_for_accounts(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_was_refused_takes_its_account_along() {
    let bao = DevServer::shared();
    let lender = Postgres::shared().lend(bao, "10m", "1h");
    let store = store(bao.address());
    let first = fetch(&store, &lender).await;
    let reference = lender.reference("password").parse().unwrap();
    store.provider.invalidate(&reference).await;
    let second = fetch(&store, &lender).await;
    assert_ne!(first.version, second.version);
    lender.wait_for_accounts(1);
    assert!(!first.open_the_database());
    assert!(second.open_the_database());
    store.close().await;
    lender.wait_for_accounts(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_nobody_waits_for_any_more_is_kept_or_given_back() {
    let bao = DevServer::shared();
    let lender = Postgres::shared().lend(bao, "10m", "1h");
    let reference = lender.reference("username");
    for is_closing in [false, true] {
        let proxy = PausingProxy::start(bao.address());
        let store = store(&proxy.url());
        proxy.hold("/creds/");
        let made = async {
            while lender.accounts().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            got = store.fetch(&reference) => panic!("nothing was answered, but {got:?}"),
            () = made => {} // The only caller goes.
        }
        if is_closing {
            tokio::join!(store.close(), async { proxy.release() });
        } else {
            proxy.release();
            let next = fetch(&store, &lender).await;
            assert!(next.open_the_database());
            assert_eq!(proxy.count("/creds/"), 1);
            store.close().await;
        }
        lender.wait_for_accounts(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_went_with_our_login_are_replaced() {
    let bao = DevServer::shared();
    let postgres = Postgres::shared();

    // The login is revoked behind our back: found out when the lease is to be renewed.
    let lender = postgres.lend(bao, "6s", "1h");
    let of_role = role(&lender, &json!({ "token_ttl": "10m" }));
    let store = store_of_role(bao.address(), &of_role);
    let first = fetch(&store, &lender).await;
    bao.revoke_accessor(&bao.tokens_of(&of_role)[0]);
    next_after(&store, &lender, &first.version).await;
    assert!(fetch(&store, &lender).await.open_the_database());
    store.close().await;
    lender.wait_for_accounts(0);

    // The login is replaced before its end: found out when somebody asks.
    let lender = postgres.lend(bao, "10m", "1h");
    let of_role = role(
        &lender,
        &json!({ "token_ttl": "4s", "token_max_ttl": "4s" }),
    );
    let store = store_of_role(bao.address(), &of_role);
    let first = fetch(&store, &lender).await;
    next_after(&store, &lender, &first.version).await;
    assert!(fetch(&store, &lender).await.open_the_database());
    store.close().await;
    // This role may not revoke leases; they go with the login, which is revoked.
    lender.wait_for_accounts(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_cannot_make_is_an_error_and_no_miss() {
    let bao = DevServer::shared();
    let lender = Postgres::shared().lend(bao, "10m", "1h");
    let store = store(bao.address());
    let mount = &lender.mount;
    for (place, kind, words) in [
        (
            format!("{mount}/creds/nobody#username"),
            ErrorKind::Misconfigured,
            "such a role",
        ),
        (
            format!("{mount}/nothing/at-all#username"),
            ErrorKind::Misconfigured,
            "no such path",
        ),
        (
            format!("{}#user", lender.path()),
            ErrorKind::FieldAbsent,
            "field is not",
        ),
    ] {
        let got = store.fetch(&format!("vault:{place}")).await;
        got.fails_with(kind, words);
    }
    store.close().await;
    lender.wait_for_accounts(0);
}

/// In a process of its own: what another test's thread comes past first may not be traced here.
#[test]
fn neither_values_nor_the_ids_of_leases_are_traced_at_any_level() {
    in_own_environment("vault_leases::the_trace_of_a_lease", &[]);
}

/// On one thread, because the trace is that thread's.
#[tokio::test]
#[ignore = "run by the test above, alone in its process"]
async fn the_trace_of_a_lease() {
    let bao = DevServer::shared();
    let lender = Postgres::shared().lend(bao, "6s", "1h");
    let store = store(bao.address());
    let (trace, _guard) = Trace::start();
    let credentials = fetch(&store, &lender).await;
    let id = lender.leases(bao)[0]["id"].as_str().unwrap().to_owned();
    let renewed = async {
        while !trace.text().contains("lease renewed") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    patiently(renewed).await;
    store.close().await;
    let said = trace.text();
    for event in ["lease made", "lease renewed", "lease revoked"] {
        assert!(said.contains(event), "{event}");
    }
    let secret_part = id.rsplit('/').next().unwrap();
    for secret in [&credentials.user, &credentials.password, secret_part] {
        let told = said.lines().find(|line| line.contains(secret));
        assert_eq!(told, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_not_renew_gets_a_new_account_in_time() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let lender = Postgres::shared().lend(bao, "6s", "1h");
    let rules = format!(
        "path \"{}\" {{ capabilities = [\"read\"] }}\n\
         path \"sys/leases/renew\" {{ capabilities = [\"deny\"] }}",
        lender.path()
    );
    let role = bao.app_role(&rules, &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let settings = with_token(&proxy.url(), &bao.log_in(&role), folder.path(), json!({}));
    let store = Store::new(settings);
    let first = fetch(&store, &lender).await;
    next_after(&store, &lender, &first.version).await;
    assert!(fetch(&store, &lender).await.open_the_database());
    assert_eq!(proxy.count("sys/leases/renew"), 1, "no is no");
    store.close().await;
    bao.revoke_prefix(&lender.path());
}

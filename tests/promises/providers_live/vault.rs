//! Vault, played by OpenBao, and by a few stand-ins for what a real server cannot be made to do.

use std::path::Path;

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    routing::any,
};
use keyward::secrets::providers::ErrorKind;
use serde_json::{Value, json};

use super::{CANARY, Got, Store, Trace};
use crate::support::{
    environment::unique,
    keyward::write_private,
    openbao::{DevServer, TlsServer},
    openbao_api::AppRole,
    pausing_proxy::PausingProxy,
    tls::{Authority, HttpServer},
};

/// Settings for a server, logging in with a token in a file of `folder`.
fn with_token(address: &str, token: &str, folder: &Path, more: Value) -> Value {
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
fn root(more: Value) -> Store {
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
async fn over_tls_only_the_own_authority_is_trusted_and_an_outage_is_told_by_its_kind() {
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    bao.put_kv2("secret", "ai", &json!({ "k": "canary" }));
    let folder = tempfile::tempdir().unwrap();
    let store = |ca: Option<&Path>| {
        let more = ca.map_or(json!({}), |ca| json!({ "ca_file": ca }));
        Store::new(with_token(bao.address(), bao.token(), folder.path(), more))
    };
    let reference = "vault:secret/ai#k";
    let good = store(Some(bao.ca_file()));
    assert_eq!(good.fetch(reference).await.value(), "canary");

    let stranger = Authority::new();
    store(Some(&stranger.ca_file))
        .fetch(reference)
        .await
        .fails_with(ErrorKind::Tls, "not signed");
    store(Some(Path::new("/nonexistent/ca.pem")))
        .fetch(reference)
        .await
        .fails_with(ErrorKind::Misconfigured, "ca_file");
    let plainly = bao.address().replace("https", "http");
    let plainly = Store::new(with_token(&plainly, bao.token(), folder.path(), json!({})));
    plainly
        .fetch(reference)
        .await
        .fails_with(ErrorKind::Misconfigured, "not in Vault's words");

    bao.seal();
    good.fetch(reference)
        .await
        .fails_with(ErrorKind::Sealed, "unseal");
    bao.stop();
    good.fetch(reference)
        .await
        .fails_with(ErrorKind::Unreachable, bao.address());
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_the_deadline_and_no_more() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let more = json!({ "timeout": "200ms" });
    let store = Store::new(with_token(&address, "canary", folder.path(), more));
    store
        .fetch("vault:secret/ai#k")
        .await
        .fails_with(ErrorKind::TimedOut, "timeout");
}

/// A stand-in that gives one answer to everything, quoting the token as badly kept servers do.
fn stand_in(
    status: u16,
    headers: &[(&'static str, String)],
    body: fn(&str) -> String,
) -> HttpServer {
    let headers: Vec<_> = headers.to_vec();
    let answer = move |request: HeaderMap| async move {
        let token = request
            .get("x-vault-token")
            .map_or("", |token| token.to_str().unwrap());
        let mut answer = HeaderMap::new();
        for (name, value) in headers {
            answer.insert(name, value.parse().unwrap());
        }
        (StatusCode::from_u16(status).unwrap(), answer, body(token))
    };
    HttpServer::start(Router::new().fallback(any(answer)))
}

async fn from_stand_in(server: &HttpServer) -> Got {
    let folder = tempfile::tempdir().unwrap();
    let more = json!({ "kv": 2 });
    let store = Store::new(with_token(
        &server.url(),
        "canary-token",
        folder.path(),
        more,
    ));
    store.fetch("vault:secret/ai#k").await
}

#[tokio::test]
async fn no_redirect_is_followed_with_a_token() {
    let bao = DevServer::shared();
    let proxy = PausingProxy::start(bao.address());
    let location = (
        header::LOCATION.as_str(),
        format!("{}/v1/secret/data/ai", proxy.url()),
    );
    for status in [301, 302, 307, 308] {
        let server = stand_in(status, std::slice::from_ref(&location), |_| String::new());
        from_stand_in(&server)
            .await
            .fails_with(ErrorKind::Misconfigured, "redirect");
    }
    assert_eq!(proxy.requests(), [""; 0]);
}

#[tokio::test]
async fn what_a_server_says_is_not_repeated_and_its_length_is_bounded() {
    for status in [200, 400, 404, 405, 418, 429, 500, 502, 503] {
        let quoting = |token: &str| json!({ "errors": [format!("token {token}")] }).to_string();
        // `Store::fetch` fails the test if an error holds the canary.
        let got = from_stand_in(&stand_in(status, &[], quoting)).await;
        assert!(matches!(got, Got::Error { .. }), "{status}: {got:?}");
        let got = from_stand_in(&stand_in(status, &[], |token| format!("<p>{token}</p>"))).await;
        assert!(matches!(got, Got::Error { .. }), "{status}: {got:?}");
    }
    let endless = stand_in(200, &[], |_| "x".repeat(2 << 20));
    from_stand_in(&endless)
        .await
        .fails_with(ErrorKind::Malformed, "bytes");
}

#[tokio::test]
async fn no_connection_stays_open_after_an_answer() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(crate::support::environment::PATIENCE))
            .unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\n{\"errors\":[]}")
            .unwrap();
        // A client that keeps the connection would leave this waiting.
        stream.read(&mut [0]).unwrap()
    });
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(with_token(
        &url,
        "canary",
        folder.path(),
        json!({ "kv": 2 }),
    ));
    assert_eq!(store.fetch("vault:secret/ai#k").await, Got::Miss);
    let read = tokio::task::spawn_blocking(move || server.join().unwrap())
        .await
        .unwrap();
    assert_eq!(read, 0, "the connection was closed");
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

//! Vault's other engines: read like any secret, but nothing is ever missing from them.

use keyward::secrets::providers::ErrorKind;
use serde_json::json;

use super::{Got, vault::root};
use crate::support::{environment::unique, openbao::DevServer};

#[tokio::test]
async fn an_engine_that_is_no_kv_is_read_and_nothing_is_missing_from_it() {
    let bao = DevServer::shared();
    let (auto, as_v1) = (root(json!({})), root(json!({ "kv": 1 })));
    let mount = unique("transit");
    let never = format!("vault:{mount}/keys/never#name");
    bao.mount_kv(&mount, 1);
    assert_eq!(auto.fetch(&never).await, Got::Miss);
    assert_eq!(as_v1.fetch(&never).await, Got::Miss);

    // Transit answers 404 without a word, just as KV does.
    bao.ask("DELETE", &format!("sys/mounts/{mount}"), None)
        .unwrap();
    bao.put(
        &format!("sys/mounts/{mount}"),
        &json!({ "type": "transit" }),
    );
    for store in [&auto, &as_v1, &root(json!({}))] {
        let got = store.fetch(&never).await;
        got.fails_with(ErrorKind::Misconfigured, "no such role or path");
    }
    bao.put(&format!("{mount}/keys/there"), &json!({}));
    let there = format!("vault:{mount}/keys/there#name");
    for store in [&auto, &as_v1] {
        let expected = Got::Value {
            value: "there".to_owned(),
            version: None,
            is_dated: false,
        };
        assert_eq!(store.fetch(&there).await, expected);
    }
    auto.fetch(&format!("vault:{mount}/keys/there?version=1#name"))
        .await
        .fails_with(ErrorKind::Misconfigured, "no KV engine");

    // A cubbyhole is KV by another name.
    let path = unique("hole");
    bao.put(&format!("cubbyhole/{path}"), &json!({ "k": "canary" }));
    let hole = format!("vault:cubbyhole/{path}#k");
    assert_eq!(auto.fetch(&hole).await.value(), "canary");
    assert_eq!(auto.fetch("vault:cubbyhole/never#k").await, Got::Miss);
}

//! The demo keeps its word wherever its key is: with proxy variables set, without certificate
//! authorities, and without a trace of its key in the store afterwards.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{
    environment::wait_for,
    keyward::{Ended, Setup},
    moto::Moto,
    openbao::{DevServer, TlsServer},
    process::Process,
    tls::Authority,
};

/// A machine that has proxies and no authorities.
fn machine() -> Setup {
    let nowhere = "http://127.0.0.1:9";
    let proxies = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
    ];
    Setup::bare()
        .envs(proxies.map(|name| (name, nowhere)))
        .env("SSL_CERT_FILE", "/nonexistent/ca.pem")
        .env("SSL_CERT_DIR", "/nonexistent")
}

/// The line of the table for the end of the call.
fn at_the_end(ended: &Ended) -> String {
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("The upstream saw the right key."),
        "{ended:?}"
    );
    let line = ended
        .stdout
        .lines()
        .find(|line| line.contains("100 ms after the end"));
    line.expect("memory was measured")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

const NOTHING: &str = "100 ms after the end 0 copies, 0 fragments 0 copies, 0 fragments";

#[test]
fn with_a_key_in_the_environment_one_copy_rests_in_the_pool() {
    let ended = machine().run(&["demo"]);
    let line = "100 ms after the end 1 copy, 1 fragment 0 copies, 0 fragments";
    assert_eq!(at_the_end(&ended), line);
}

#[test]
fn with_a_key_in_vault_nothing_is_left_in_memory_or_in_vault() {
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    let ended = machine()
        .env("VAULT_TOKEN", bao.token())
        .env("VAULT_ADDR", bao.address())
        .env("VAULT_CACERT", bao.ca_file())
        .run(&["demo", "--secrets", "vault"]);
    assert_eq!(at_the_end(&ended), NOTHING);
    assert_eq!(bao.list("secret/metadata"), Vec::<String>::new());
}

#[test]
fn with_a_key_in_secrets_manager_nothing_is_left_in_memory_or_there() {
    // One of its own, so that what is left in it is the demo's.
    let moto = Moto::start();
    let ended = machine().envs(Moto::credentials()).run(&[
        "demo",
        "--secrets",
        "aws",
        "--aws-endpoint-url",
        moto.address(),
    ]);
    assert_eq!(at_the_end(&ended), NOTHING);
    let left = moto
        .ask("ListSecrets", &json!({}))
        .expect_success("ListSecrets");
    assert_eq!(left["SecretList"], json!([]), "{left}");
}

#[test]
fn an_interrupted_demo_takes_its_key_away() {
    let bao = DevServer::start();
    // It owns the folder that the demo runs in.
    let setup = machine().env("VAULT_TOKEN", bao.token());
    let command = setup.command(&[
        "demo",
        "--secrets",
        "vault",
        "--vault-address",
        bao.address(),
    ]);
    let mut demo = Process::start("demo", command);
    let written = wait_for(|| (!bao.list("secret/metadata").is_empty()).then_some(()));
    assert!(written.is_some(), "the demo writes its key");
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.wait().code(), Some(3));
    assert_eq!(bao.list("secret/metadata"), Vec::<String>::new());
}

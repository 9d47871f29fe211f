//! Client certificates: as a login, as what a server demands of any connection, and as files that
//! rotate.

use std::{
    path::Path,
    sync::{Arc, LazyLock, Mutex},
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

use super::{Readable, Store, check, fails_with, setup, with_file};
use crate::support::{
    keyward::{Setup, write_private},
    openbao::TlsServer,
    runtime,
    tls::Authority,
};

/// An authority for clients.
struct Clients {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, both PEM.
struct Client {
    certificate: String,
    key: String,
}

impl Clients {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Keyward test clients");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate that is valid until the beginning of `year`.
    fn certify(&self, name: &str, year: i32) -> Client {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        Client {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Client {
    fn write(&self, folder: &Path) {
        std::fs::write(folder.join("client.pem"), &self.certificate).unwrap();
        write_private(&folder.join("client.key"), &self.key);
    }
}

/// The authority keeps the file that clients trust.
static SERVER: LazyLock<(TlsServer, Authority)> = LazyLock::new(|| {
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    (bao, authority)
});

#[test]
fn a_certificate_logs_in_and_one_that_does_not_fit_is_told() {
    let bao = &SERVER.0;
    let (secret, mount, clients) = (Readable::at(bao), bao.fresh_auth("cert"), Clients::new());
    let role = json!({
        "certificate": clients.pem, "allowed_common_names": ["keyward"],
        "token_policies": [secret.policy],
    });
    bao.put(&format!("auth/{mount}/certs/app"), &role);
    let good = clients.certify("keyward", 2090);
    let files = "certificate_file: client.pem, key_file: client.key";
    let arrange = |cert: String, client: &Client| {
        let more = format!(", ca_file: {:?}", bao.ca_file());
        let setup = setup(bao.address(), &secret.path, &cert, &more);
        client.write(setup.folder());
        setup
    };
    let as_role = |role: &str| format!("cert: {{ {files}, mount: {mount}, role: {role} }}");
    let any_role = format!("cert: {{ {files}, mount: {mount} }}");
    for auth in [any_role.clone(), as_role("app")] {
        assert_eq!(check(&arrange(auth, &good)), Ok(()));
        assert_eq!(bao.tokens_at(&mount), [""; 0], "the login is revoked");
    }
    let by_variables = arrange(format!("cert: {{ mount: {mount} }}"), &good);
    let in_folder = |name: &str| by_variables.folder().join(name);
    let variables = [
        ("VAULT_CLIENT_CERT", "client.pem"),
        ("VAULT_CLIENT_KEY", "client.key"),
    ]
    .map(|(variable, file)| (variable, in_folder(file)));
    let [(certificate, at), (key, key_at)] = variables;
    assert_eq!(
        check(&by_variables.env(certificate, at).env(key, key_at)),
        Ok(())
    );

    let does_not_fit = [
        "login failed",
        "/client.pem is not signed by",
        "auth.cert.role",
    ];
    fails_with(
        &arrange(as_role("nobody"), &good),
        &["login failed", &mount],
    );
    fails_with(
        &arrange(any_role.clone(), &clients.certify("other", 2090)),
        &does_not_fit,
    );
    let stranger = Clients::new().certify("keyward", 2090);
    fails_with(&arrange(any_role.clone(), &stranger), &does_not_fit);
    let expired = clients.certify("keyward", 2021);
    let told = ["/client.pem has expired (2021-01-01", "must renew it"];
    fails_with(&arrange(any_role.clone(), &expired), &told);

    let unlike = arrange(any_role.clone(), &good);
    write_private(&unlike.folder().join("client.key"), &expired.key);
    fails_with(&unlike, &["do not belong together"]);
    let open = arrange(any_role.clone(), &good);
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(open.folder().join("client.key"), everybody).unwrap();
    fails_with(&open, &["unsafe permissions", "/client.key", "chmod 600"]);
    let none = with_file(arrange(any_role, &good), "client.key", "canary");
    fails_with(&none, &["/client.key has no private key"]);
}

#[test]
fn the_authorities_come_from_a_file_a_folder_or_a_variable() {
    let bao = &SERVER.0;
    let secret = Readable::at(bao);
    let arrange = |more: &str| {
        let setup = setup(bao.address(), &secret.path, "token_file: token", more);
        let folder = setup.folder().join("authorities");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("readme.txt"), "no certificate").unwrap();
        std::fs::copy(bao.ca_file(), folder.join("ca.pem")).unwrap();
        with_file(setup, "token", bao.token())
    };
    assert_eq!(check(&arrange(", ca_path: authorities")), Ok(()));
    for (variable, name) in [
        ("VAULT_CACERT", "authorities/ca.pem"),
        ("BAO_CAPATH", "authorities"),
    ] {
        let setup = arrange("");
        let place = setup.folder().join(name);
        assert_eq!(check(&setup.env(variable, place)), Ok(()));
    }
    // What is set is not mixed with what a variable says.
    let other = Authority::new();
    let setup = arrange(", ca_path: authorities").env("VAULT_CACERT", &other.ca_file);
    assert_eq!(check(&setup), Ok(()));
    let wrong = arrange(&format!(", ca_file: {:?}", other.ca_file));
    fails_with(
        &wrong,
        &[
            "TLS failed",
            "not signed",
            &other.ca_file.display().to_string(),
        ],
    );
    fails_with(
        &arrange(", ca_path: home"),
        &["ca_path", "no file with a certificate"],
    );
}

#[test]
fn a_variable_that_would_weaken_is_ignored_and_said_to_be() {
    let bao = &SERVER.0;
    let secret = Readable::at(bao);
    let setup = setup(bao.address(), &secret.path, "token_file: token", "");
    let setup = with_file(setup, "token", bao.token()).env("SSL_CERT_FILE", bao.ca_file());
    let run = |setup: &Setup| {
        setup
            .run(&["--log-level", "warn", "secrets", "check"])
            .stderr
    };
    assert!(!run(&setup).contains("SKIP_VERIFY"));
    let off = setup.env("VAULT_SKIP_VERIFY", "false");
    assert!(!run(&off).contains("SKIP_VERIFY"));
    let stranger = Authority::new();
    let on = off
        .env("VAULT_SKIP_VERIFY", "true")
        .env("SSL_CERT_FILE", &stranger.ca_file);
    assert!(run(&on).contains("VAULT_SKIP_VERIFY"), "{}", run(&on));
    fails_with(&on, &["TLS failed", "not signed"]);
}

/// A stand-in for Vault that demands a client certificate before it says anything, remembers those
/// it saw, and answers every request with a secret.
struct Demanding {
    url: String,
    seen: Arc<Mutex<Vec<CertificateDer<'static>>>>,
    task: JoinHandle<()>,
}

impl Demanding {
    fn start(authority: &Authority, clients: &Clients) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).unwrap())
            .unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let own = authority.certify(&["127.0.0.1"]);
        let chain = vec![CertificateDer::from_pem_slice(own.chain_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = runtime::run(async { TcpListener::bind("127.0.0.1:0").await.unwrap() });
        let url = format!("https://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sees = Arc::clone(&seen);
        let task = runtime::handle().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = match acceptor.accept(stream).into_fallible().await {
                    Ok(stream) => stream,
                    Err((_, mut stream)) => {
                        // Closed over what was sent meanwhile, the reason would be lost.
                        let _ = stream.shutdown().await;
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                        continue;
                    }
                };
                let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
                sees.lock().unwrap().push(shown.into_owned());
                let _ = stream.read(&mut [0; 4096]).await;
                let body = r#"{"data":{"data":{"api_key":"canary-key"},"metadata":{"version":1}}}"#;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, seen, task }
    }
}

impl Drop for Demanding {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_demands_a_certificate_gets_the_one_that_is_in_the_file_now() {
    let (authority, clients) = (Authority::new(), Clients::new());
    let server = Demanding::start(&authority, &clients);
    let folder = tempfile::tempdir().unwrap();
    write_private(&folder.path().join("token"), "canary-token");
    let settings = |with_certificate: bool| {
        let mut vault = json!({
            "address": server.url, "ca_file": authority.ca_file,
            "auth": { "token_file": folder.path().join("token") },
        });
        if with_certificate {
            vault["client_certificate_file"] = json!(folder.path().join("client.pem"));
            vault["client_key_file"] = json!(folder.path().join("client.key"));
        }
        Store::new(vault, "any")
    };
    let bare = settings(false).fetch().await.unwrap_err();
    assert!(
        bare.contains("TLS failed") && bare.contains("set `client_certificate_file`"),
        "{bare}"
    );

    let store = settings(true);
    let shown = |client: &Client| {
        let expected = CertificateDer::from_pem_slice(client.certificate.as_bytes()).unwrap();
        server.seen.lock().unwrap().last() == Some(&expected)
    };
    for name in ["first", "second"] {
        let client = clients.certify(name, 2090);
        client.write(folder.path());
        assert_eq!(store.fetch().await.as_deref(), Ok("canary-key"));
        assert!(shown(&client), "{name}");
    }
    clients.certify("late", 2021).write(folder.path());
    let expired = store.fetch().await.unwrap_err();
    assert!(
        expired.contains("client.pem has expired (2021-01-01"),
        "{expired}"
    );
    Clients::new().certify("other", 2090).write(folder.path());
    let stranger = store.fetch().await.unwrap_err();
    assert!(
        stranger.contains("client.pem is not signed by an authority"),
        "{stranger}"
    );
    store.close().await;
}

//! The key travels to an upstream over TLS, on HTTP/1.1 and HTTP/2, to whom `ca_file` vouches for
//! and to nobody else; where a server asks who connects, it is shown a certificate.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use futures_util::future::BoxFuture;
use keyward::{
    call::{CallContext, CallIdentity},
    cli::demo::upstream::{
        Behaviour, Dialect, Form, KeyDigest, KeySeen, Place, StandIn, StandInModel, StandInSettings,
    },
    models::{Completion, CompletionRequest, ModelError, ModelMetrics, Models, ModelsSettings},
    secrets::{
        Broker, Reference, SecretName, SecretsSettings, Unrecorded,
        memory::Pool,
        providers::{Fetch, Found, Lookup, Presence, ProviderError, SecretProvider},
    },
};

use crate::support::{
    runtime,
    tls::{Authority, HttpsServer, Protocol},
};

const KEY: &str = "sk-tls-8ShVbXq0LzE3rTyUiOpAsDfGhJkLmNbV";

/// A secret provider that has the key under every name but `client-key`, and under that one the
/// private key that it was given last.
#[derive(Default)]
struct Store(Mutex<String>);

impl SecretProvider for Store {
    fn name(&self) -> &'static str {
        "env"
    }

    fn locate(&self, name: &SecretName) -> Option<Reference> {
        let place = match name.as_str() {
            "client-key" => "env:CLIENT_KEY",
            _ => "env:KEY",
        };
        place.parse().ok()
    }

    fn validate(&self, _: &Reference) -> Result<(), String> {
        Ok(())
    }

    fn presence(&self, _: &Reference) -> Presence {
        Presence::Bound
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        Box::pin(async move {
            let value = match fetch.reference.to_string().as_str() {
                "env:CLIENT_KEY" => self.0.lock().unwrap().clone(),
                _ => KEY.to_owned(),
            };
            let value = Arc::new(fetch.pool.store(value.as_bytes()).await.unwrap());
            Ok(Lookup::Found(Found {
                value,
                version: None,
                created_at: None,
                expires_at: None,
            }))
        })
    }
}

fn stand_in() -> StandIn {
    StandIn::new(StandInSettings {
        dialect: Dialect::OpenAi,
        key: Some(KeyDigest::of(KEY.as_bytes())),
        models: vec![StandInModel::named("m")],
        reply: "Over TLS.".to_owned(),
    })
}

fn ask(server: &HttpsServer, ca_file: &Path, more: &str) -> Result<Completion, ModelError> {
    let models = models(server, ca_file, more, Arc::default(), "");
    asked(&models)
}

fn models(
    server: &HttpsServer,
    ca_file: &Path,
    more: &str,
    store: Arc<Store>,
    names: &str,
) -> Models {
    let yaml = format!(
        "providers:\n  up: {{ base_url: \"{}/v1\", secret: up, models: [m], ca_file: \"{}\" {more} }}",
        server.url(),
        ca_file.display()
    );
    let settings: ModelsSettings = serde_saphyr::from_str(&yaml).unwrap();
    let secrets: SecretsSettings =
        serde_saphyr::from_str(&format!("names: {{ {names} }}")).unwrap();
    let broker = Broker::new(&secrets, vec![store], Pool::reserve(), Arc::new(Unrecorded)).unwrap();
    Models::new(&settings, Arc::new(broker), None, &ModelMetrics::default()).unwrap()
}

fn asked(models: &Models) -> Result<Completion, ModelError> {
    let identity = CallIdentity {
        request_id: "0".repeat(32),
        tool: "chat".to_owned(),
        principal: "local".to_owned(),
    };
    let request = CompletionRequest {
        model: "m".to_owned(),
        prompt: "Hello?".to_owned(),
        ..CompletionRequest::default()
    };
    let selected = models.select(Some("m"), None, &[])?;
    let cx = CallContext::new(identity);
    runtime::run(async move { selected.provider.complete(&request, &cx).await })
}

#[test]
fn a_call_is_answered_over_http1_and_http2_in_both_connection_modes() {
    let authority = Authority::new();
    for (protocol, seen_as) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2.0")] {
        for mode in [", connections: strict", ", connections: pooled"] {
            let stand_in = stand_in();
            let server = HttpsServer::start(&authority, protocol, stand_in.router());
            let completion = ask(&server, &authority.ca_file, mode).unwrap();
            assert_eq!(completion.answer, "Over TLS.");
            let seen = stand_in.seen().remove(0);
            assert_eq!(
                (seen.key, seen.protocol.as_str()),
                (KeySeen::Right, seen_as)
            );
        }
    }
}

#[test]
fn an_echo_is_redacted_over_http2_too() {
    let authority = Authority::new();
    let stand_in = stand_in();
    let server = HttpsServer::start(&authority, Protocol::Http2, stand_in.router());
    let place = Place::Stream {
        delta_characters: 1,
        frame_bytes: 11,
    };
    stand_in.script(Behaviour::Echo {
        place,
        form: Form::Raw,
    });
    let answer = ask(&server, &authority.ca_file, "").unwrap().answer;
    assert_eq!(answer, "The key is <[redacted]>, is it not?");
}

#[test]
fn a_server_that_the_ca_file_does_not_vouch_for_gets_no_request() {
    let (authority, other) = (Authority::new(), Authority::new());
    let stand_in = stand_in();
    let by_another = HttpsServer::start(&other, Protocol::Http1, stand_in.router());
    let named_otherwise = HttpsServer::start_as(
        &authority,
        &["example.org"],
        Protocol::Http1,
        stand_in.router(),
    );
    for server in [by_another, named_otherwise] {
        let error = ask(&server, &authority.ca_file, "").unwrap_err();
        assert_eq!(error.code(), "tls_failed");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    assert_eq!(stand_in.counts().arrived, 0);
}

#[test]
fn a_ca_file_that_holds_no_authority_is_told_and_nothing_else_is_trusted() {
    let authority = Authority::new();
    let server = HttpsServer::start(&authority, Protocol::Http1, stand_in().router());
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.pem");
    let error = ask(&server, &absent, "").unwrap_err();
    assert!(
        error.to_string().contains("`ca_file` cannot be read"),
        "{error}"
    );
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let error = ask(&server, &empty, "").unwrap_err();
    assert_eq!(error.code(), "client_setup");
    assert!(error.to_string().contains("no PEM certificate"), "{error}");
}

/// A client's certificate in a file, and the store that has its key.
struct Shown {
    folder: tempfile::TempDir,
    store: Arc<Store>,
}

impl Shown {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            store: Arc::default(),
        }
    }

    /// Renews certificate and key by `authority`.
    fn renew(&self, authority: &Authority) {
        let certificate = authority.certify(&["client.example"]);
        std::fs::write(self.file(), &certificate.chain_pem).unwrap();
        *self.store.0.lock().unwrap() = certificate.key_pem;
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("client.pem")
    }

    fn settings(&self) -> String {
        let file = self.file();
        format!(", retries: 0, client_certificate_file: {file:?}, client_key_secret: client-key")
    }

    fn models(&self, server: &HttpsServer, authority: &Authority) -> Models {
        self.models_keeping(server, authority, "")
    }

    fn models_keeping(&self, server: &HttpsServer, authority: &Authority, names: &str) -> Models {
        let store = Arc::clone(&self.store);
        models(server, &authority.ca_file, &self.settings(), store, names)
    }
}

#[test]
fn a_server_that_asks_who_connects_is_shown_the_certificate_of_the_day() {
    let (authority, clients, newer) = (Authority::new(), Authority::new(), Authority::new());
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let stand_in = stand_in();
        let start = |clients: &Authority| {
            HttpsServer::start_demanding(&authority, &clients.pem, protocol, stand_in.router())
        };
        let shown = Shown::new();
        shown.renew(&clients);
        let server = start(&clients);
        let models = shown.models(&server, &authority);
        assert_eq!(asked(&models).unwrap().answer, "Over TLS.");
        // The same server, when its clients are of another authority.
        shown.renew(&newer);
        // What the server says of it can be lost when it closes the connection.
        let error = asked(&models).unwrap_err();
        assert!(
            ["upstream_down", "tls_failed"].contains(&error.code()),
            "{error:?}"
        );
        assert!(error.to_string().contains("client certificate"), "{error}");
        let server = start(&newer);
        let models = shown.models(&server, &authority);
        assert_eq!(asked(&models).unwrap().answer, "Over TLS.");
        assert_eq!(stand_in.counts().arrived, 2);
    }
}

/// The file and the store are renewed one after the other, and the key is kept for a while.
#[test]
fn a_key_that_is_no_pair_with_a_renewed_certificate_is_fetched_anew() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let stand_in = stand_in();
    let router = stand_in.router();
    let server = HttpsServer::start_demanding(&authority, &clients.pem, Protocol::Http1, router);
    let shown = Shown::new();
    shown.renew(&clients);
    let kept = "client-key: { ttl: 1h }";
    let models = shown.models_keeping(&server, &authority, kept);
    asked(&models).unwrap();
    shown.renew(&clients);
    asked(&models).unwrap();
    assert_eq!(stand_in.counts().arrived, 2);
}

#[test]
fn a_server_that_asks_who_connects_gets_no_request_from_nobody() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let stand_in = stand_in();
    let router = stand_in.router();
    let server = HttpsServer::start_demanding(&authority, &clients.pem, Protocol::Http1, router);
    let error = ask(&server, &authority.ca_file, ", retries: 0").unwrap_err();
    assert!(
        ["upstream_down", "tls_failed"].contains(&error.code()),
        "{error:?}"
    );
    assert_eq!(stand_in.counts().arrived, 0);
}

#[test]
fn a_certificate_that_cannot_be_shown_is_told_and_nothing_is_sent() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let stand_in = stand_in();
    let server = HttpsServer::start(&authority, Protocol::Http1, stand_in.router());
    let told = |shown: &Shown| {
        let error = asked(&shown.models(&server, &authority)).unwrap_err();
        assert_eq!(error.code(), "client_setup");
        error.to_string()
    };
    let shown = Shown::new();
    *shown.store.0.lock().unwrap() = "no key".to_owned();
    assert!(told(&shown).contains("`client_certificate_file` cannot be read"));
    shown.renew(&clients);
    let right = shown.store.0.lock().unwrap().clone();
    *shown.store.0.lock().unwrap() = "no key".to_owned();
    assert!(told(&shown).contains("no private key in PEM"));
    let certificate = std::fs::read_to_string(shown.file()).unwrap();
    std::fs::write(shown.file(), format!("{certificate}{right}")).unwrap();
    assert!(told(&shown).contains("holds a private key"));
    shown.renew(&clients);
    *shown.store.0.lock().unwrap() = right;
    assert!(told(&shown).contains("no pair"));
    assert_eq!(stand_in.counts().arrived, 0);
}

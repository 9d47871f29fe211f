//! What tests prove themselves with: JWTs that they sign, and a cluster that reviews them.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};

use crate::support::tls::HttpServer;

/// Who issues JWTs.
pub struct Issuer(KeyPair);

impl Issuer {
    pub fn new() -> Self {
        Self(KeyPair::generate().unwrap())
    }

    /// For `jwt_validation_pubkeys`.
    pub fn public_key(&self) -> String {
        self.0.public_key_pem()
    }

    /// A token that is good for ten minutes, with `claims` added or put in place.
    pub fn sign(&self, claims: &Value) -> String {
        let now = now();
        let mut all = json!({ "sub": "canary-subject", "iat": now, "nbf": now, "exp": now + 600 });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let header = json!({ "alg": "ES256", "typ": "JWT" });
        let [header, payload] = [header, all].map(|part| BASE64.encode(part.to_string()));
        let signed = format!("{header}.{payload}");
        let signature = BASE64.encode(raw(&self.0.sign(signed.as_bytes()).unwrap()));
        assert_eq!(self.0.algorithm(), &rcgen::PKCS_ECDSA_P256_SHA256);
        format!("{signed}.{signature}")
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// JOSE wants both numbers of an ECDSA signature in 32 bytes each (RFC 7518, section 3.4), where
/// X.509 has them in DER.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut numbers = &der[2..];
    let mut raw = Vec::new();
    for _ in 0..2 {
        let (number, rest) = numbers[2..].split_at(usize::from(numbers[1]));
        let digits: Vec<u8> = number
            .iter()
            .copied()
            .skip_while(|byte| *byte == 0)
            .collect();
        raw.extend(vec![0; 32 - digits.len()]);
        raw.extend(digits);
        numbers = rest;
    }
    raw
}

/// Tokens, and the service account of each.
type Known = Arc<Mutex<Vec<(String, String)>>>;

/// A Kubernetes cluster, as far as `TokenReview` goes: it knows the tokens it was told, and asks
/// its caller for the reviewer's token.
pub struct Cluster {
    server: HttpServer,
    known: Known,
}

/// The token with which Vault may have tokens reviewed.
pub const REVIEWER: &str = "canary-reviewer";

impl Cluster {
    pub fn start() -> Self {
        let known = Arc::new(Mutex::new(Vec::new()));
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let router = Router::new().route(path, post(review));
        Self {
            server: HttpServer::start(router.with_state(Arc::clone(&known))),
            known,
        }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Knows `token` as that of the service account `name` in the namespace `pods`.
    pub fn know(&self, token: &str, name: &str) {
        let mut known = self.known.lock().unwrap();
        known.push((token.to_owned(), name.to_owned()));
    }
}

async fn review(
    State(known): State<Known>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let asked: Value = serde_json::from_str(&body).expect("a review is JSON");
    let authorization = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap());
    if authorization != Some(&format!("Bearer {REVIEWER}")) {
        return (StatusCode::UNAUTHORIZED, "{}".to_owned());
    }
    let token = asked["spec"]["token"]
        .as_str()
        .expect("a review is of a token");
    let known = known.lock().unwrap();
    let account = known.iter().find(|(known, _)| known == token);
    let status = match account {
        None => json!({ "authenticated": false, "error": "unknown" }),
        Some((_, name)) => json!({
            "authenticated": true,
            "user": {
                "username": format!("system:serviceaccount:pods:{name}"),
                "uid": format!("uid-{name}"),
                "groups": ["system:serviceaccounts", "system:authenticated"],
            },
            "audiences": asked["spec"]["audiences"],
        }),
    };
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status,
    });
    (StatusCode::CREATED, body.to_string())
}

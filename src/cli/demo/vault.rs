//! The demo's key in a Vault-compatible server: KV v2 at `secret/`, one path of our own.

use reqwest::{Method, header::HeaderValue};
use serde_json::json;
use zeroize::Zeroizing;

use super::DemoError;
use crate::{cli::args::Demo, outbound};

const MOUNT: &str = "secret";

/// The server and the path.
pub(super) struct VaultStore {
    client: reqwest::Client,
    address: String,
    ca_file: Option<std::path::PathBuf>,
    token: HeaderValue,
    path: String,
}

impl VaultStore {
    pub(super) fn open(options: &Demo) -> Result<Self, DemoError> {
        let var = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| std::env::var(name).ok())
                .filter(|value| !value.is_empty())
        };
        let address = options
            .vault_address
            .clone()
            .or_else(|| var(["VAULT_ADDR", "BAO_ADDR"]));
        let address = address.ok_or_else(|| {
            DemoError::Setup("give --vault-address, or set VAULT_ADDR".to_owned())
        })?;
        let token = var(["VAULT_TOKEN", "BAO_TOKEN"])
            .map(Zeroizing::new)
            .ok_or_else(|| {
                DemoError::Setup("set VAULT_TOKEN to a token that may write secret/*".to_owned())
            })?;
        let mut token = HeaderValue::from_str(&token)
            .map_err(|_| DemoError::Setup("VAULT_TOKEN is not a token".to_owned()))?;
        token.set_sensitive(true);
        let ca_file = options
            .vault_ca_file
            .clone()
            .or_else(|| var(["VAULT_CACERT", "BAO_CACERT"]).map(Into::into));
        // The configuration lies elsewhere, so that a relative path would mean another file.
        let ca_file = ca_file.map(|file| std::path::absolute(&file).unwrap_or(file));
        let client = client(&address, ca_file.as_deref())?;
        let path = format!("keyward-demo-{}", uuid::Uuid::new_v4().simple());
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self {
            client,
            address,
            ca_file,
            token,
            path,
        })
    }

    pub(super) async fn put(&self, key: &Zeroizing<String>) -> Result<(), DemoError> {
        let body = json!({ "data": { "api_key": key.as_str() } }).to_string();
        self.send(Method::POST, "data", body).await
    }

    pub(super) async fn remove(&self) -> Result<(), DemoError> {
        self.send(Method::DELETE, "metadata", String::new()).await
    }

    async fn send(&self, method: Method, kind: &str, body: String) -> Result<(), DemoError> {
        let url = format!("{}/v1/{MOUNT}/{kind}/{}", self.address, self.path);
        let request = self
            .client
            .request(method, url)
            .header("X-Vault-Token", self.token.clone());
        let response = request.body(body).send().await.map_err(|_| {
            DemoError::Setup(format!(
                "the Vault server at {} cannot be reached",
                self.address
            ))
        })?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(DemoError::Setup(format!(
                "the Vault server answered {status} for {MOUNT}/{}: does the token allow writing \
                 there, and is it KV version 2?",
                self.path
            ))),
        }
    }

    pub(super) fn config(&self) -> String {
        let ca_file = self.ca_file.as_ref().map_or(String::new(), |file| {
            format!(", ca_file: {}", json!(file.display().to_string()))
        });
        format!(
            "secrets:\n  chain: [vault]\n  providers:\n    vault: {{ address: {}{ca_file} }}\n  \
             names:\n    openai: {{ ref: \"vault:{MOUNT}/{}#api_key\" }}\n",
            json!(self.address),
            self.path
        )
    }

    pub(super) fn place(&self) -> String {
        format!(
            "the Vault server at {}, {MOUNT}/{}",
            self.address, self.path
        )
    }
}

fn client(address: &str, ca_file: Option<&std::path::Path>) -> Result<reqwest::Client, DemoError> {
    let failed = |what: &str| DemoError::Setup(what.to_owned());
    let url: reqwest::Url = address
        .parse()
        .map_err(|_| failed("the Vault server's address is not a URL"))?;
    let roots = match (url.scheme(), ca_file) {
        ("https", Some(file)) => {
            let pem = std::fs::read(file).map_err(|_| failed("the CA file cannot be read"))?;
            let roots = outbound::authorities(&pem);
            Some(roots.ok_or_else(|| failed("the CA file holds no PEM certificate"))?)
        }
        ("https", None) => None,
        ("http", _) if outbound::is_loopback(&url) => None,
        _ => {
            return Err(failed(
                "use https, or http on loopback: the token must not be readable",
            ));
        }
    };
    outbound::client(&url, roots)
        .timeout(std::time::Duration::from_secs(10))
        .build()
        .map_err(|_| failed("no certificate authorities are installed"))
}

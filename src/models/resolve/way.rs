//! The way of a request: addresses, headers and proxies as they are written.

use std::collections::BTreeMap;

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use crate::{
    key_shape,
    models::{ClientCertificate, Connections, ModelProviderSettings},
};

/// The address of an API; a `/` at its end does not count.
pub(super) fn parse_base_url(base: &str) -> Result<Url, (&'static str, &'static str)> {
    let url = Url::parse(base).map_err(|_| {
        (
            "not a URL",
            "write an address such as `https://api.openai.com/v1`",
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err((
            "not an http or https URL",
            "write `https://…` or `http://127.0.0.1:…`",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "a URL must not hold a user or a password",
            "name a secret with `secret:`; whatever was written here now stands in a file",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err((
            "a base URL has no `?query` and no `#fragment`",
            "write only the address; keys go into the Authorization header by `secret:`",
        ));
    }
    Url::parse(url.as_str().trim_end_matches('/')).map_err(|_| ("not a URL", "write an address"))
}

/// Headers that this program, or the connection, sets itself.
const OWN_HEADERS: [&str; 12] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "accept",
    "accept-encoding",
    "connection",
    "expect",
    "te",
    "trailer",
    "upgrade",
    "transfer-encoding",
];

/// What stands in the names of headers that carry a key around the broker.
const KEY_WORDS: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

pub(super) fn headers(
    written: &BTreeMap<String, String>,
    refuse: &mut impl FnMut(&str, &str, &str),
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let key = format!("headers.{name}");
        let lower = name.to_ascii_lowercase();
        let is_own = OWN_HEADERS.contains(&lower.as_str())
            || KEY_WORDS.iter().any(|word| lower.contains(word));
        if is_own || key_shape::looks_like_key(value) {
            refuse(
                &key,
                "keys and what the protocol sends are not written here",
                "name a secret with `secret:`; whatever was written here now stands in a file",
            );
            continue;
        }
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                headers.insert(name, value);
            }
            _ => refuse(&key, "this is no header", "correct it, or leave it out"),
        }
    }
    headers
}

/// The certificate that is shown to the server at `base_url`.
pub(super) fn client_certificate(
    entry: &ModelProviderSettings,
    base_url: Option<&Url>,
    refuse: &mut impl FnMut(&str, &str, &str),
) -> Option<ClientCertificate> {
    let key = "client_certificate_file";
    let (file, secret) = match (&entry.client_certificate_file, &entry.client_key_secret) {
        (None, None) => return None,
        (Some(file), Some(secret)) => (file.clone(), secret.clone()),
        (None, Some(_)) => {
            let help = "name its PEM file with `client_certificate_file`";
            refuse("client_key_secret", "a key without its certificate", help);
            return None;
        }
        (Some(_), None) => {
            let help = "name the secret that is its private key with `client_key_secret`";
            refuse(key, "a certificate without its key", help);
            return None;
        }
    };
    if base_url.is_some_and(|url| url.scheme() != "https") {
        let help = "use https, or leave the certificate out";
        refuse(key, "only over https is a certificate shown", help);
    }
    if entry.connections == Connections::Pooled {
        refuse(
            "connections",
            "a connection that is kept would keep the certificate's private key",
            "leave it out, so that the key goes with each call",
        );
    }
    Some(ClientCertificate { file, key: secret })
}

pub(super) fn is_plain_proxy(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
}

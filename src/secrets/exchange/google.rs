//! Google: a service account's key for its access token, by a signed assertion
//! (developers.google.com/identity/protocols/oauth2/service-account; RFC 7523).

use std::borrow::Cow;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use zeroize::{Zeroize, Zeroizing};

use crate::secrets::form::{Form, put};
use crate::secrets::providers::{ErrorKind, ProviderError};

/// How long an assertion is good for, in seconds: an hour is the most that Google takes.
const LASTS: i64 = 3600;

#[derive(Debug)]
pub(super) struct Google {
    scope: String,
}

/// What is read of a key file. `token_uri` is not: who may write the file must not say where it goes.
#[derive(Deserialize)]
struct KeyFile<'a> {
    #[serde(borrow)]
    client_email: Cow<'a, str>,
    #[serde(borrow)]
    private_key: Cow<'a, str>,
    #[serde(borrow, default)]
    private_key_id: Option<Cow<'a, str>>,
}

impl Drop for KeyFile<'_> {
    fn drop(&mut self) {
        // Its line ends are escaped, so that it was copied.
        if let Cow::Owned(key) = &mut self.private_key {
            key.zeroize();
        }
    }
}

fn unfit(what: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Malformed, what)
}

impl Google {
    pub(super) fn new(scope: &str) -> Self {
        Self {
            scope: scope.to_owned(),
        }
    }

    pub(super) fn form(&self, key_file: &[u8], address: &Url) -> Result<Form, ProviderError> {
        let key_file: KeyFile<'_> = serde_json::from_slice(key_file)
            .map_err(|_| unfit("the value is no key of a service account (JSON)"))?;
        let key = private_key(&key_file.private_key)?;
        let now = Timestamp::now().as_second();
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key_file.private_key_id });
        let claims = json!({
            "iss": key_file.client_email, "scope": self.scope, "aud": address.as_str(),
            "iat": now, "exp": now + LASTS,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; key.public_modulus_len()];
        let random = SystemRandom::new();
        key.sign(
            &RSA_PKCS1_SHA256,
            &random,
            signed.as_bytes(),
            &mut signature,
        )
        .map_err(|_| unfit("the private key cannot sign"))?;
        let assertion = Zeroizing::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
        let mut form = Form::new(Vec::with_capacity(256 + 3 * assertion.len()));
        put(
            &mut form,
            "grant_type",
            b"urn:ietf:params:oauth:grant-type:jwt-bearer",
        );
        put(&mut form, "assertion", assertion.as_bytes());
        Ok(form)
    }
}

/// The key in PKCS#8, between its PEM lines (RFC 7468).
fn private_key(pem: &str) -> Result<RsaKeyPair, ProviderError> {
    let no_key = || unfit("the service account's `private_key` is no RSA key in PKCS#8");
    let (_, body) = pem
        .split_once("-----BEGIN PRIVATE KEY-----")
        .ok_or_else(no_key)?;
    let (body, _) = body
        .split_once("-----END PRIVATE KEY-----")
        .ok_or_else(no_key)?;
    let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
    base64.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; base64.len()]);
    let length = STANDARD
        .decode_slice(&*base64, &mut der)
        .map_err(|_| no_key())?;
    RsaKeyPair::from_pkcs8(&der[..length]).map_err(|_| no_key())
}

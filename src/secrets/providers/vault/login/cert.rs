//! TLS certificates: Vault knows us by the client certificate of the connection.
//! <https://developer.hashicorp.com/vault/api-docs/auth/cert#login-with-tls-certificate-method>
//!
//! The certificate belongs to the connection (`tls`), not to the request; here it is only asked
//! for, and what a refusal says of it is told.

use std::path::PathBuf;

use async_trait::async_trait;
use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
    errors::ClientError,
};
use serde::Deserialize;
use serde_json::json;

use super::{super::wire::Answer, Desk, Preparing, desk::said};
use crate::secrets::providers::ProviderError;

pub(super) const NAME: &str = "cert";

/// The section `auth.cert`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertSettings {
    /// The certificate, as PEM, with the authorities between it and the one that Vault trusts.
    /// Default: `client_certificate_file` of the provider.
    pub certificate_file: Option<PathBuf>,
    /// Its private key, as PEM.
    pub key_file: Option<PathBuf>,
    /// The role to log in as. Default: any that the certificate fits.
    pub role: Option<String>,
    /// Where the auth method is mounted.
    #[serde(default = "mount")]
    pub mount: String,
}

fn mount() -> String {
    NAME.to_owned()
}

impl CertSettings {
    pub(super) fn prepare(&self, to: &mut Preparing<'_>) -> Option<Cert> {
        let mount = to.mount(NAME, &self.mount);
        if !to.is_https {
            to.refuse(
                &[NAME],
                "a certificate is shown over TLS alone, and Vault's address is plain `http`",
                "use `https://` in `address`",
            );
            return None;
        }
        match (&self.certificate_file, &self.key_file) {
            (None, None) if to.has_certificate => {}
            (Some(certificate), Some(key)) if !to.is_certificate_set => {
                to.certificate = Some((to.place(certificate), to.place(key)));
            }
            (Some(_), Some(_)) => {
                to.refuse(
                    &[NAME, "certificate_file"],
                    "a connection shows one certificate, and `client_certificate_file` of the \
                     provider names another",
                    "name the certificate in one place",
                );
                return None;
            }
            _ => {
                to.refuse(
                    &[NAME],
                    "a certificate and its key are needed",
                    "write `certificate_file` and `key_file`",
                );
                return None;
            }
        }
        Some(Cert {
            mount: mount?,
            role: self.role.clone(),
        })
    }
}

/// The login.
pub(in super::super) struct Cert {
    mount: String,
    role: Option<String>,
}

impl Cert {
    pub(super) fn mount(&self) -> &str {
        &self.mount
    }

    pub(super) async fn log_in(&self, desk: &Desk<'_>) -> Result<Answer, ProviderError> {
        let attempt = desk.attempt(NAME, &self.mount);
        let request = LogIn {
            mount: &self.mount,
            role: self.role.as_deref(),
        };
        let answer = attempt.ask(request, None).await?;
        let about_ours = if (200..=299).contains(&answer.status) {
            String::new()
        } else {
            desk.wire.tls().about_certificate().await
        };
        // Of an expired certificate Vault says that it failed itself.
        if answer.status == 500 && said(&answer).has("certificate") {
            return Err(attempt.failed(format!("refused; {about_ours}")));
        }
        attempt.judge(answer, |said| {
            if said.has("no client certificate found") {
                return Some(
                    "no client certificate arrived; does something before Vault end TLS?".into(),
                );
            }
            // Vault says the same of a certificate that fits no role and of one that has expired.
            let concerns = ["certificate", "constraints", "chain"];
            let is_about_ours = concerns.iter().any(|words| said.has(words));
            is_about_ours.then(|| format!("refused; {about_ours}"))
        })
    }
}

/// `POST auth/{mount}/login`. vaultrs' type sends the role under a name that Vault does not know.
struct LogIn<'a> {
    mount: &'a str,
    role: Option<&'a str>,
}

#[async_trait]
impl Endpoint for LogIn<'_> {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("auth/{}/login", self.mount)
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let body = match self.role {
            Some(role) => json!({ "name": role }),
            None => json!({}),
        };
        Ok(Some(body.to_string().into_bytes()))
    }
}

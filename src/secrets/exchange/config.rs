//! The setting `exchange` of a secret's name.

use reqwest::Url;
use serde::Deserialize;

use super::{Endpoint, Entra, Exchange, Google, Kind};
use crate::{outbound::is_loopback, settings::Problem};

/// What a secret is exchanged for before it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeSettings {
    /// The secret is the JSON key of a Google service account; what is sent is its access token.
    GoogleServiceAccount(GoogleSettings),
    /// The secret is the client secret of an application in Microsoft Entra ID; what is sent is its
    /// access token.
    EntraClient(EntraSettings),
}

/// Settings of `google_service_account`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GoogleSettings {
    /// What the token is good for. Default: `https://www.googleapis.com/auth/cloud-platform`.
    pub scope: String,
    /// Where it is had. What the key file says of that is not followed. Default:
    /// `https://oauth2.googleapis.com/token`.
    pub token_url: String,
}

impl Default for GoogleSettings {
    fn default() -> Self {
        Self {
            scope: "https://www.googleapis.com/auth/cloud-platform".to_owned(),
            token_url: "https://oauth2.googleapis.com/token".to_owned(),
        }
    }
}

/// Settings of `entra_client`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntraSettings {
    /// The directory's id or domain.
    pub tenant: String,
    /// The application's id.
    pub client_id: String,
    /// What the token is good for. Default: `https://cognitiveservices.azure.com/.default`.
    #[serde(default = "azure_openai")]
    pub scope: String,
    /// Whom to ask. Default: `https://login.microsoftonline.com`.
    #[serde(default = "public_cloud")]
    pub authority: String,
}

fn azure_openai() -> String {
    "https://cognitiveservices.azure.com/.default".to_owned()
}

fn public_cloud() -> String {
    "https://login.microsoftonline.com".to_owned()
}

impl ExchangeSettings {
    /// The exchange of the secret called `name`.
    pub(in crate::secrets) fn resolve(&self, name: &str) -> Result<Exchange, Problem> {
        let refuse = |keys: &[&str], message: &str, help: &str| {
            let above = ["secrets", "names", name, "exchange"];
            Problem::at(above.iter().chain(keys).copied(), message, help)
        };
        let (url, keys, kind) = match self {
            Self::GoogleServiceAccount(settings) => (
                Url::parse(&settings.token_url).ok(),
                ["google_service_account", "token_url"],
                Kind::Google(Google::new(&settings.scope)),
            ),
            Self::EntraClient(settings) => {
                let is_step = |text: &String| {
                    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
                    (1..=128).contains(&text.len()) && text.chars().all(plain)
                };
                for (key, value) in [
                    ("tenant", &settings.tenant),
                    ("client_id", &settings.client_id),
                ] {
                    if !is_step(value) {
                        let help = "write the id as the portal shows it";
                        return Err(refuse(&["entra_client", key], "this is no id", help));
                    }
                }
                let authority = settings.authority.trim_end_matches('/');
                let url = format!("{authority}/{}/oauth2/v2.0/token", settings.tenant);
                (
                    Url::parse(&url).ok(),
                    ["entra_client", "authority"],
                    Kind::Entra(Entra::new(&settings.client_id, &settings.scope)),
                )
            }
        };
        let is_fit = |url: &Url| {
            let is_plain = url.username().is_empty() && url.password().is_none();
            let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
            is_plain && is_safe && url.query().is_none() && url.fragment().is_none()
        };
        let url = url.filter(is_fit).ok_or_else(|| {
            let help = "write an https address, without a user and without `?`";
            refuse(&keys, "a secret cannot be sent there", help)
        })?;
        Ok(Exchange {
            endpoint: Endpoint::new(url),
            kind,
        })
    }
}

//! Settings of the OTLP sink.

use std::{path::PathBuf, time::Duration};

use reqwest::Url;
use serde::Deserialize;

use crate::{
    audit::sinks::{
        collector::{Address, Refusal},
        deadline,
    },
    settings::{self, Problem},
};

/// The sink `otlp`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpSettings {
    /// The collector's base address; `/v1/logs` is added. Required. Plain `http` only on loopback,
    /// or with `allow_plaintext`.
    pub endpoint: String,
    /// The secret that is sent as the bearer token.
    pub token_secret: Option<String>,
    /// A PEM file of the authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether records, and the token, may cross the network in clear text.
    pub allow_plaintext: bool,
    /// How long a batch may take, retries included. Default: `5s`.
    #[serde(deserialize_with = "settings::duration")]
    pub deadline: Duration,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            token_secret: None,
            ca_file: None,
            allow_plaintext: false,
            deadline: deadline::DEFAULT,
        }
    }
}

impl OtlpSettings {
    /// What is wrong beyond the form of each value; `path` leads to these settings.
    #[must_use]
    pub fn validate(&self, path: &[&str]) -> Vec<Problem> {
        let url = self.url().err().map(|refusal| refusal.at(path));
        url.into_iter()
            .chain(deadline::validate(self.deadline, path))
            .collect()
    }

    /// Where logs are posted: the base address and `v1/logs` (OTLP, "OTLP/HTTP Request").
    pub(super) fn url(&self) -> Result<Url, Refusal> {
        const KEY: &str = "endpoint";
        let mut url = Address {
            key: KEY,
            url: &self.endpoint,
            ca_file: self.ca_file.as_deref(),
            allow_plaintext: self.allow_plaintext,
        }
        .url()?;
        let base = url.path().trim_end_matches('/').to_owned();
        if url.query().is_some() || base.ends_with("/v1/logs") {
            return Err(Refusal {
                key: KEY,
                message: "the address of a collector ends before `/v1/logs`, and has no `?`",
                help: "write the base alone, such as `https://otel.example:4318`",
            });
        }
        url.set_path(&format!("{base}/v1/logs"));
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(endpoint: &str) -> Result<String, Refusal> {
        let settings = OtlpSettings {
            endpoint: endpoint.to_owned(),
            ..OtlpSettings::default()
        };
        settings.url().map(String::from)
    }

    #[test]
    fn logs_go_below_the_base_address() {
        for (endpoint, logs) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/logs"),
            ("https://otel.example/a/", "https://otel.example/a/v1/logs"),
        ] {
            assert_eq!(url(endpoint).unwrap(), logs);
        }
        for wrong in [
            "",
            "http://otel.example:4318",
            "https://otel.example/v1/logs",
            "https://otel.example/v1/logs/",
            "https://otel.example?key=canary",
        ] {
            assert_eq!(url(wrong).unwrap_err().key, "endpoint", "{wrong}");
        }
    }

    #[test]
    fn problems_are_told_by_the_path_of_their_key() {
        let read = serde_json::from_str::<OtlpSettings>;
        let wrong = read(r#"{ "endpoint": "http://127.0.0.1", "ca_file": "x" }"#).unwrap();
        let problems = wrong.validate(&["audit", "sinks", "0", "otlp"]);
        assert_eq!(problems[0].path.join("."), "audit.sinks.0.otlp.ca_file");
        assert!(read(r#"{ "protocol": "grpc" }"#).is_err());
    }
}

//! Settings of the HTTP sink.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::{
    audit::sinks::{collector::Address, deadline},
    settings::{self, Problem},
};

/// The sink `http`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSinkSettings {
    /// Where batches are posted, as it stands. Required. Plain `http` only on loopback, or with
    /// `allow_plaintext`. A key does not belong in it.
    pub url: String,
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

impl Default for HttpSinkSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            token_secret: None,
            ca_file: None,
            allow_plaintext: false,
            deadline: deadline::DEFAULT,
        }
    }
}

impl HttpSinkSettings {
    /// What is wrong beyond the form of each value; `path` leads to these settings.
    #[must_use]
    pub fn validate(&self, path: &[&str]) -> Vec<Problem> {
        let address = self.address().url().err().map(|refusal| refusal.at(path));
        address
            .into_iter()
            .chain(deadline::validate(self.deadline, path))
            .collect()
    }

    pub(super) fn address(&self) -> Address<'_> {
        Address {
            key: "url",
            url: &self.url,
            ca_file: self.ca_file.as_deref(),
            allow_plaintext: self.allow_plaintext,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_by_the_path_of_their_key() {
        let read = serde_json::from_str::<HttpSinkSettings>;
        let good = read(r#"{ "url": "https://logs.example/in", "ca_file": "ca.pem" }"#).unwrap();
        assert_eq!(good.validate(&["audit"]), []);
        let wrong = read(r#"{ "url": "http://logs.example/in", "deadline": "2h" }"#).unwrap();
        let paths: Vec<_> = wrong
            .validate(&["audit", "sinks", "3", "http"])
            .into_iter()
            .map(|problem| problem.path.join("."))
            .collect();
        assert_eq!(
            paths,
            ["audit.sinks.3.http.url", "audit.sinks.3.http.deadline"]
        );
        assert_eq!(read("{}").unwrap().validate(&[]).len(), 1);
        assert!(read(r#"{ "headers": {} }"#).is_err());
    }
}

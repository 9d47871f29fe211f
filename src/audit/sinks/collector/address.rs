//! The rules that a receiver's address keeps before a record goes there.
//!
//! Pure: nothing is looked up, read or connected to. No message repeats an address: it may hold a
//! key that somebody put there.

use std::path::Path;

use reqwest::Url;

use crate::{outbound::is_loopback, settings::Problem};

/// What settings say of where a receiver is.
#[derive(Debug, Clone, Copy)]
pub(in crate::audit::sinks) struct Address<'a> {
    /// The key that holds the address.
    pub(in crate::audit::sinks) key: &'static str,
    pub(in crate::audit::sinks) url: &'a str,
    pub(in crate::audit::sinks) ca_file: Option<&'a Path>,
    pub(in crate::audit::sinks) allow_plaintext: bool,
}

/// Why records may not go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit::sinks) struct Refusal {
    pub(in crate::audit::sinks) key: &'static str,
    pub(in crate::audit::sinks) message: &'static str,
    pub(in crate::audit::sinks) help: &'static str,
}

impl Refusal {
    /// As a problem of the sink that `path` leads to.
    pub(in crate::audit::sinks) fn at(self, path: &[&str]) -> Problem {
        let path = path.iter().copied().chain([self.key]);
        Problem::at(path, self.message, self.help)
    }
}

impl Address<'_> {
    /// The URL to post to.
    pub(in crate::audit::sinks) fn url(&self) -> Result<Url, Refusal> {
        let refuse = |message, help| {
            Err(Refusal {
                key: self.key,
                message,
                help,
            })
        };
        let example = "write an address such as `https://logs.example/keyward`";
        let Ok(url) = Url::parse(self.url) else {
            return refuse("this is not an address", example);
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return refuse(
                "an address begins with `https://` or `http://` and a host",
                example,
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse(
                "an address holds no user and no password",
                "name a secret that is sent as the bearer token: `token_secret: audit-token`",
            );
        }
        if url.fragment().is_some() {
            return refuse("an address has no `#`", example);
        }
        if url.scheme() != "https" && !is_loopback(&url) && !self.allow_plaintext {
            return refuse(
                "records would cross the network readable, and say who did what: plain `http` is \
                 for this machine alone",
                "use `https://`, or set `allow_plaintext: true` if something else protects the way",
            );
        }
        if url.scheme() != "https" && self.ca_file.is_some() {
            return Err(Refusal {
                key: "ca_file",
                message: "plain `http` has no certificate that could be checked",
                help: "write `https://`, or leave `ca_file` out",
            });
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, allow_plaintext: bool) -> Option<Refusal> {
        let address = Address {
            key: "url",
            url,
            ca_file: None,
            allow_plaintext,
        };
        address.url().err()
    }

    #[test]
    fn plain_http_is_for_this_machine_unless_allowed() {
        for here in [
            "http://127.0.0.1:4318",
            "http://[::1]/x",
            "http://localhost",
        ] {
            assert_eq!(refused(here, false), None, "{here}");
        }
        for there in ["http://logs.example", "http://127.0.0.1.example/"] {
            assert_eq!(refused(there, false).unwrap().key, "url", "{there}");
            assert_eq!(refused(there, true), None, "{there}");
        }
        assert_eq!(refused("https://logs.example/x?stream=a", false), None);
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for wrong in [
            "",
            "canary",
            "ftp://canary",
            "https://u:canary@logs.example",
            "https://canary@logs.example",
            "https://:canary@logs.example",
            "https://logs.example#canary",
        ] {
            let problem = refused(wrong, true).unwrap().at(&["audit"]);
            assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
        }
    }

    #[test]
    fn authorities_for_a_way_without_tls_are_a_mistake() {
        let address = Address {
            key: "url",
            url: "http://127.0.0.1",
            ca_file: Some(Path::new("ca.pem")),
            allow_plaintext: false,
        };
        assert_eq!(address.url().unwrap_err().key, "ca_file");
    }
}

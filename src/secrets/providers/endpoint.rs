//! Where a store is reached: the rules that an address must keep before a key or a login goes
//! there, and what a failed TLS handshake means.
//!
//! Shared by the stores that speak HTTP, so that none is more lenient than another. Names and
//! addresses only; no connection is made here.

use std::error::Error;

use reqwest::Url;

use crate::{outbound::is_loopback, settings::Problem};

/// A checked base address of a store.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// The address, without a slash at its end.
    pub(super) address: String,
    url: Url,
}

impl Endpoint {
    /// Checks an address; `path` is the key that holds it.
    pub(super) fn new(
        address: &str,
        allow_plaintext: bool,
        path: Vec<String>,
    ) -> Result<Self, Problem> {
        let problem = |message: &str, help: &str| Err(Problem::at(path.clone(), message, help));
        let example = "write an address such as `https://vault.example:8200`";
        let Ok(url) = Url::parse(address) else {
            return problem("this is not an address", example);
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return problem(
                "an address begins with `https://` or `http://` and a host",
                example,
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            return problem("an address holds no user and no password", example);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return problem("an address has no `?` and no `#`", example);
        }
        if url.scheme() != "https" && !is_loopback(&url) && !allow_plaintext {
            return problem(
                "keys would cross the network readable: plain `http` is for this machine alone",
                "use `https://`, or set `allow_plaintext: true` if something else protects the way",
            );
        }
        Ok(Self {
            address: url.as_str().trim_end_matches('/').to_owned(),
            url,
        })
    }

    /// The address as a URL.
    #[cfg(feature = "vault")]
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it speaks TLS; else it is on this machine, or clear text is permitted.
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// What went wrong in a TLS handshake, if an error's causes hold such a thing. The words are ours;
/// nothing that the other side sent is in them.
pub(super) fn tls_failure(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls_words(tls));
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            // An I/O error hides what it wraps from `source`.
            if let Some(found) = io.get_ref().and_then(|inner| tls_failure(inner)) {
                return Some(found);
            }
            if io.to_string() == "tls handshake eof" {
                return Some("the other side ended the TLS handshake");
            }
        }
        cause = error.source();
    }
    None
}

fn tls_words(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError as C, Error as E};
    match error {
        // A bad signature: an authority of the same name, made anew.
        E::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "its certificate is not signed by an authority that is trusted here"
        }
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        E::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "its certificate is not valid yet (or the clock of this machine is wrong)"
        }
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another host name"
        }
        E::InvalidCertificate(C::Revoked) => "its certificate is revoked",
        E::InvalidCertificate(_) => "its certificate is refused",
        E::InvalidMessage(_) => "what answers does not speak TLS",
        E::AlertReceived(_) => "the other side refused the TLS handshake",
        _ => "the TLS handshake failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, allow_plaintext: bool) -> bool {
        Endpoint::new(address, allow_plaintext, vec!["address".into()]).is_err()
    }

    #[test]
    fn plain_http_is_for_this_machine_unless_allowed() {
        for loopback in [
            "http://127.0.0.1:8200",
            "http://127.9.9.9",
            "http://[::1]:1",
            "http://localhost:8200/",
        ] {
            assert!(!refused(loopback, false), "{loopback}");
        }
        for other in [
            "http://vault.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://vault.localhost",
        ] {
            assert!(refused(other, false), "{other}");
            assert!(!refused(other, true), "{other}");
        }
        assert!(!refused("https://vault.example", false));
    }

    #[test]
    fn what_is_no_plain_address_is_refused_without_being_repeated() {
        for wrong in [
            "vault",
            "ftp://a",
            "https://u:canary@a",
            "https://a?canary",
            "https://a#canary",
        ] {
            let problem = Endpoint::new(wrong, true, vec!["address".into()]).unwrap_err();
            assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
        }
    }

    #[test]
    fn a_tls_error_is_found_through_what_wraps_it() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = std::io::Error::other(std::io::Error::other(tls));
        assert!(tls_failure(&wrapped).is_some_and(|words| words.contains("not signed")));
        assert_eq!(tls_failure(&std::io::Error::other("x")), None);
    }
}

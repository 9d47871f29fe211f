//! Why a request got no answer at all, in our words.

use std::io;

use crate::models::{ModelErrorKind, ProviderConfig, Stage};

/// Why nothing came back. The error itself names the URL and is not passed on.
pub(super) fn failure(error: &reqwest::Error, config: &ProviderConfig) -> ModelErrorKind {
    // A connection that broke while it was waited on times out, too, and was sent on.
    if error.is_timeout() && error.is_connect() {
        return ModelErrorKind::TimedOut {
            stage: Stage::Connect,
            after: config.timeouts.connect,
        };
    }
    let shows = config.client_certificate.is_some();
    let io = innermost_io(error);
    let cause = if error.is_dns() {
        "its name cannot be resolved"
    } else if io == Some(io::ErrorKind::InvalidData) {
        return ModelErrorKind::TlsFailed { shows };
    } else if error.is_connect() {
        match io {
            Some(io::ErrorKind::ConnectionRefused) => "the connection was refused",
            _ => "the connection failed",
        }
    } else if config.base_url.scheme() == "https" {
        // A server refuses a certificate, or that there is none, when the handshake is over for us;
        // what it says of that can be lost.
        if shows {
            "the connection broke, as it does where a server does not take the client certificate"
        } else {
            "the connection broke, as it does where a server demands a client certificate"
        }
    } else {
        "the connection broke"
    };
    ModelErrorKind::UpstreamDown {
        retry_after: None,
        cause: Some(cause),
    }
}

/// The kind of the innermost I/O error. TLS wraps its refusals in these, and an I/O error does not
/// count what it wraps as its source.
fn innermost_io(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut kind = None;
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        kind = io.map(io::Error::kind).or(kind);
        let wrapped = io.and_then(io::Error::get_ref);
        next = wrapped
            .map(|inner| inner as &(dyn std::error::Error + 'static))
            .or(error.source());
    }
    kind
}

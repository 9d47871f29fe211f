//! The way to Vault: one HTTP client, one request at a time, one bounded and wiped buffer for the
//! answer.
//!
//! rustify runs vaultrs' endpoints through [`Wire`] instead of its stock client. Its errors hold
//! whole response bodies and it logs each one, so no error of ours ever passes through it: a
//! failed exchange travels as an extension of an empty response. The client is built at the first
//! request, never at load, because building one reads certificate files; and anew when those have
//! changed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use rustify::{
    endpoint::{Endpoint as RustifyEndpoint, MiddleWare},
    errors::ClientError,
};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::tls::{Loaded, Stamp, TlsFiles, alert, is_no_pair};
use crate::{
    outbound,
    secrets::providers::{
        ErrorKind, ProviderError,
        endpoint::{Endpoint, tls_failure},
    },
};

/// The longest answer that is read.
const MAX_BODY_BYTES: usize = 1024 * 1024;

const CONNECT: Duration = Duration::from_secs(5);

/// What Vault answered, whatever the status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
    /// When Vault, or what stands before it, wants to be asked again.
    pub(super) retry_after: Option<Duration>,
}

/// In whose name a request is made.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) token: Option<&'a [u8]>,
    pub(super) namespace: Option<&'a str>,
}

/// The way to one Vault.
pub(super) struct Wire {
    endpoint: Endpoint,
    tls: TlsFiles,
    built: Mutex<Arc<Built>>,
}

/// A client, once something has been asked, and the state of the files it was made from.
#[derive(Default)]
struct Built {
    stamp: Stamp,
    client: OnceCell<reqwest::Client>,
}

impl Wire {
    pub(super) fn new(endpoint: Endpoint, tls: TlsFiles) -> Self {
        Self {
            endpoint,
            tls,
            built: Mutex::default(),
        }
    }

    /// The files behind the connection, for error messages.
    pub(super) fn tls(&self) -> &TlsFiles {
        &self.tls
    }

    /// Vault's address, for error messages.
    pub(super) fn address(&self) -> &str {
        &self.endpoint.address
    }

    /// Makes one request.
    ///
    /// # Errors
    /// Only if there is no whole answer; a refusal is an [`Answer`].
    pub(super) async fn ask<E: RustifyEndpoint>(
        &self,
        endpoint: E,
        caller: Caller<'_>,
    ) -> Result<Answer, ProviderError> {
        let dress = Dress {
            caller,
            address: &self.endpoint.address,
        };
        // rustify's own error is dropped unseen.
        let answered = endpoint
            .with_middleware(&dress)
            .exec(self)
            .await
            .map_err(|_| {
                let detail = format!(
                    "the request to Vault at {} could not be made",
                    self.address()
                );
                ProviderError::new(ErrorKind::Misconfigured, detail)
            })?;
        let (mut parts, body) = answered.response.into_parts();
        let body = Zeroizing::new(body);
        match parts.extensions.remove::<ProviderError>() {
            Some(error) => Err(error),
            None => Ok(Answer {
                status: parts.status.as_u16(),
                body,
                retry_after: retry_after(&parts.headers),
            }),
        }
    }

    async fn exchange(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, ProviderError> {
        let built = self.built().await;
        let client = built.client.get_or_try_init(|| self.build()).await?;
        let request = match reqwest::Request::try_from(request) {
            Ok(request) => request,
            Err(error) => return Err(self.failed(&error).await),
        };
        let mut response = match client.execute(request).await {
            Ok(response) => response,
            Err(error) => return Err(self.failed(&error).await),
        };
        let too_long = || {
            let detail = format!(
                "Vault at {} answers with over {MAX_BODY_BYTES} bytes",
                self.address()
            );
            ProviderError::new(ErrorKind::Malformed, detail)
        };
        let announced =
            usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > MAX_BODY_BYTES {
            return Err(too_long());
        }
        let mut body = Zeroizing::new(Vec::with_capacity(announced.max(4096)));
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return Err(self.failed(&error).await),
            };
            let length = body.len() + chunk.len();
            if length > MAX_BODY_BYTES {
                return Err(too_long());
            }
            if length > body.capacity() {
                // By hand: a vector that grows by itself leaves its old bytes behind.
                let mut larger = Zeroizing::new(Vec::with_capacity(length * 2));
                larger.extend_from_slice(&body);
                body = larger;
            }
            body.extend_from_slice(&chunk);
        }
        let mut whole = Response::new(std::mem::take(&mut *body));
        *whole.status_mut() = response.status();
        if let Some(wish) = response.headers_mut().remove(header::RETRY_AFTER) {
            whole.headers_mut().insert(header::RETRY_AFTER, wish);
        }
        Ok(whole)
    }

    /// What serves the next request: another than the last one if a file has changed.
    async fn built(&self) -> Arc<Built> {
        let stamp = match self.endpoint.is_https() {
            true => self.tls.stamp().await,
            false => Stamp::default(),
        };
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if built.stamp != stamp {
            let client = OnceCell::new();
            *built = Arc::new(Built { stamp, client });
        }
        Arc::clone(&built)
    }

    async fn build(&self) -> Result<reqwest::Client, ProviderError> {
        let Loaded { roots, identity } = match self.endpoint.is_https() {
            true => self.tls.load().await?,
            false => Loaded::default(),
        };
        let mut builder = outbound::client(self.endpoint.url(), roots)
            // HTTP/2 would gain nothing on a connection used once, and keeps compressed headers.
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT);
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        // Building reads the system's roots, which takes tens of milliseconds the first time.
        let built = tokio::task::spawn_blocking(move || {
            builder.build().map_err(|error| is_no_pair(&error))
        });
        match built.await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(true)) => Err(ProviderError::new(
                ErrorKind::Misconfigured,
                "Vault's client certificate and its key do not belong together",
            )),
            _ => Err(ProviderError::new(
                ErrorKind::Tls,
                "no HTTPS client could be made: has this machine certificate authorities? If not, \
                 set `secrets.providers.vault.ca_file`",
            )),
        }
    }

    /// A failed exchange, in our words: an error of the HTTP stack may quote what it read.
    async fn failed(&self, error: &reqwest::Error) -> ProviderError {
        let address = self.address();
        let about_us = match alert(error) {
            Some(alert) => self.tls.about_alert(alert).await,
            None => None,
        };
        if let Some(what) = about_us {
            let detail = format!("Vault at {address} ended the TLS handshake: {what}");
            return ProviderError::new(ErrorKind::Tls, detail);
        }
        if let Some(what) = tls_failure(error) {
            let roots = self.tls.about_authorities();
            return ProviderError::new(
                ErrorKind::Tls,
                format!("Vault at {address}: {what}; {roots}"),
            );
        }
        let (kind, what) = if error.is_timeout() {
            (ErrorKind::TimedOut, "does not answer in time")
        } else if error.is_connect() {
            (
                ErrorKind::Unreachable,
                "cannot be reached; is the address right, is it running?",
            )
        } else if error.is_builder() {
            (
                ErrorKind::Misconfigured,
                "could not be asked: the request is not valid",
            )
        } else {
            (ErrorKind::Unreachable, "broke the connection off")
        };
        // A server that turns a client's certificate down may end the connection before its reason
        // is read.
        let hint = match kind {
            ErrorKind::Unreachable if self.endpoint.is_https() && !error.is_connect() => {
                self.tls.hint().await
            }
            _ => String::new(),
        };
        ProviderError::new(kind, format!("Vault at {address} {what}{hint}"))
    }
}

/// The wish of a `Retry-After` in seconds (RFC 9110, 10.2.3), up to an hour. A date is not read:
/// the clocks may differ, and what limits requests to Vault writes seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    const LONGEST: u64 = 3600;
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits alone fail to parse only by being too many.
    let seconds = text.parse().unwrap_or(LONGEST).min(LONGEST);
    Some(Duration::from_secs(seconds))
}

#[async_trait]
impl rustify::client::Client for Wire {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        Ok(self.exchange(request).await.unwrap_or_else(|error| {
            let mut carrier = Response::new(Vec::new());
            carrier.extensions_mut().insert(error);
            carrier
        }))
    }

    fn base(&self) -> &str {
        &self.endpoint.address
    }

    /// Without rustify's own checks, which would copy the body of every refusal into an error.
    async fn execute(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        self.send(request).await
    }
}

/// What every request wears: the API's version, the token and the namespace. vaultrs' own
/// middleware wants the token as a `String`; this one copies it from locked memory into the header
/// and nowhere else.
struct Dress<'a> {
    caller: Caller<'a>,
    address: &'a str,
}

impl MiddleWare for Dress<'_> {
    fn request<E: RustifyEndpoint>(
        &self,
        _: &E,
        request: &mut Request<Vec<u8>>,
    ) -> Result<(), ClientError> {
        let written = request.uri().to_string();
        let below = written.strip_prefix(self.address).unwrap_or(&written);
        // Some of vaultrs' paths begin with a slash, some do not, one with a tab.
        let below = below.trim_start_matches('/');
        *request.uri_mut() = format!("{}/v1/{below}", self.address)
            .parse::<Uri>()
            .map_err(|source| ClientError::UrlBuildError { source })?;
        let headers = request.headers_mut();
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        let invalid = || ClientError::GenericError {
            source: std::fmt::Error.into(),
        };
        if let Some(token) = self.caller.token {
            let mut token = HeaderValue::from_bytes(token).map_err(|_| invalid())?;
            token.set_sensitive(true);
            headers.insert("x-vault-token", token);
        }
        if let Some(namespace) = self.caller.namespace {
            let namespace = HeaderValue::from_str(namespace).map_err(|_| invalid())?;
            headers.insert("x-vault-namespace", namespace);
        }
        Ok(())
    }

    fn response<E: RustifyEndpoint>(
        &self,
        _: &E,
        _: &mut Response<Vec<u8>>,
    ) -> Result<(), ClientError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_in_seconds_is_read_and_bounded() {
        for (text, wish) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("Wed, 21 Oct 2099 07:28:00 GMT", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(
                retry_after(&headers),
                wish.map(Duration::from_secs),
                "{text}"
            );
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}

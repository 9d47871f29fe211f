//! Where a secret is exchanged: one request, on a connection of its own, and an answer that is bounded.
//!
//! The server's words stay here: a refusal is told by its code, if that is of the standard's few
//! (RFC 6749, section 5.2).

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Client, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde::Deserialize;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::secrets::form::Form;
use crate::{
    outbound,
    secrets::providers::{ErrorKind, ProviderError},
};

const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The longest and the shortest life of a token that is believed.
const LONGEST: u64 = 24 * 3600;

/// Codes that a refusal may carry.
const CODES: [&str; 7] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "temporarily_unavailable",
];

/// The address of an exchange.
#[derive(Debug)]
pub(super) struct Endpoint {
    url: Url,
    client: OnceCell<Client>,
}

/// What it answered, wiped when dropped.
pub(super) struct Answer(Zeroizing<Vec<u8>>);

/// A token, and how long it lasts.
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) lasts: Duration,
}

#[derive(Deserialize)]
struct Granted<'a> {
    access_token: &'a str,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refused<'a> {
    error: &'a str,
}

impl Endpoint {
    pub(super) fn new(url: Url) -> Self {
        Self {
            url,
            client: OnceCell::new(),
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Sends the form, once.
    pub(super) async fn ask(&self, mut form: Form) -> Result<Answer, ProviderError> {
        let client = self.client.get_or_try_init(|| async {
            let builder = outbound::client(&self.url, None)
                .connect_timeout(CONNECT)
                .timeout(TOTAL)
                .pool_max_idle_per_host(0);
            // Reading the system's authorities takes milliseconds.
            let built = tokio::task::spawn_blocking(move || builder.build()).await;
            built.ok().and_then(Result::ok).ok_or_else(|| {
                let why = "no certificate authorities were found on this machine";
                ProviderError::new(ErrorKind::Tls, why)
            })
        });
        let client = client.await?;
        let request = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Bytes::from(std::mem::take(&mut *form)));
        let mut response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status();
        let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES));
        while let Some(piece) = response.chunk().await.map_err(|error| broken(&error))? {
            if answer.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(malformed());
            }
            answer.extend_from_slice(&piece);
        }
        if status.is_success() {
            return Ok(Answer(answer));
        }
        Err(refusal(status, &answer))
    }
}

impl Answer {
    pub(super) fn token(&self) -> Result<Token<'_>, ProviderError> {
        let granted: Granted<'_> = serde_json::from_slice(&self.0).map_err(|_| malformed())?;
        let is_token = !granted.access_token.is_empty()
            && granted
                .access_token
                .bytes()
                .all(|byte| byte.is_ascii_graphic());
        if !is_token || granted.expires_in == 0 {
            return Err(malformed());
        }
        Ok(Token {
            text: granted.access_token,
            lasts: Duration::from_secs(granted.expires_in.min(LONGEST)),
        })
    }
}

fn malformed() -> ProviderError {
    ProviderError::new(
        ErrorKind::Malformed,
        "the address of the exchange answered with something other than a token",
    )
}

fn refusal(status: StatusCode, answer: &[u8]) -> ProviderError {
    let told = serde_json::from_slice::<Refused<'_>>(answer).ok();
    let code = told.and_then(|told| CODES.into_iter().find(|code| *code == told.error));
    let detail = match code {
        Some(code) => format!("the exchange was refused ({code})"),
        None => format!("the exchange was refused (status {})", status.as_u16()),
    };
    let kind = match status.as_u16() {
        429 => ErrorKind::Throttled,
        500.. => ErrorKind::ServerFailed,
        300..400 => ErrorKind::Misconfigured,
        _ => ErrorKind::LoginFailed,
    };
    ProviderError::new(kind, detail)
}

/// Why nothing came back. The error itself names the address, and is not passed on.
fn broken(error: &reqwest::Error) -> ProviderError {
    let (kind, why) = if error.is_timeout() {
        (
            ErrorKind::TimedOut,
            "the address of the exchange did not answer in time",
        )
    } else {
        (
            ErrorKind::Unreachable,
            "the address of the exchange cannot be reached",
        )
    };
    ProviderError::new(kind, why)
}

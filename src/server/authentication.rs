//! Who may speak over HTTP: the bearer token of RFC 6750, told apart before anything else of the
//! request is read.
//!
//! This room knows the header and the answers; whether a token is right is for the authenticator
//! that the process is built with, because a server may not know the broker.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use futures_util::future::BoxFuture;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// Decides whether a bearer token is right.
pub trait Authenticator: Send + Sync {
    /// Checks a well-formed token.
    fn check<'a>(&'a self, token: &'a [u8]) -> BoxFuture<'a, Verdict>;
}

/// What an [`Authenticator`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The token is right.
    Accepted,
    /// The token is wrong.
    Refused,
    /// Nobody can say at the moment: the secret that it would be compared with is unavailable.
    Unavailable,
}

/// A request that is stopped.
pub(super) struct Stopped {
    /// Why, as a short stable word for the audit.
    pub(super) code: &'static str,
    /// Its answer.
    pub(super) response: Box<Response<Body>>,
}

/// Lets a request on, or stops it.
pub(super) async fn authenticate(
    headers: &HeaderMap,
    authenticator: &dyn Authenticator,
) -> Result<(), Stopped> {
    let stop = |code, response| {
        let response = Box::new(response);
        Err(Stopped { code, response })
    };
    let Some(token) = bearer_token(headers) else {
        tracing::info!("refused: a request over HTTP without a bearer token");
        return stop(
            "no_token",
            refusal(StatusCode::UNAUTHORIZED, "Bearer realm=\"keyward\""),
        );
    };
    match authenticator.check(token).await {
        Verdict::Accepted => Ok(()),
        Verdict::Refused => {
            tracing::warn!("refused: a request over HTTP with a wrong bearer token");
            stop(
                "wrong_token",
                refusal(
                    StatusCode::UNAUTHORIZED,
                    "Bearer realm=\"keyward\", error=\"invalid_token\"",
                ),
            )
        }
        Verdict::Unavailable => {
            let mut response = Response::new(Body::from(
                "the server cannot look its token up at the moment; its operator's log says why\n",
            ));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            stop("token_unavailable", response)
        }
    }
}

/// The token of an `Authorization: Bearer` header, if there is exactly one and it is of the form
/// that RFC 6750 §2.1 gives (`b64token`).
fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    let well_formed = scheme.eq_ignore_ascii_case(b"Bearer ") && is_bearer_token(token);
    well_formed.then_some(token)
}

/// Whether a client could send `token` as it is (RFC 6750 §2.1, `b64token`).
#[must_use]
pub fn is_bearer_token(token: &[u8]) -> bool {
    let body = token
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last + 1);
    let in_alphabet = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    body > 0 && token.len() <= MAX_TOKEN_BYTES && token[..body].iter().all(in_alphabet)
}

fn refusal(status: StatusCode, challenge: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(challenge),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(values: &[&'static str]) -> Option<Vec<u8>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        bearer_token(&headers).map(<[u8]>::to_vec)
    }

    #[test]
    fn one_well_formed_token_is_found_and_anything_else_is_not() {
        assert_eq!(
            token(&["Bearer aZ09-._~+/=="]),
            Some(b"aZ09-._~+/==".to_vec())
        );
        assert_eq!(token(&["bearer x"]), Some(b"x".to_vec()));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer ==",
            "Bearer a b",
            "Bearer a=b",
            "Basic eA==",
        ] {
            assert_eq!(token(&[wrong]), None, "{wrong}");
        }
        assert_eq!(token(&["Bearer a", "Bearer a"]), None);
    }
}

//! What a JWT says of itself, unverified: enough to keep it from a server that it is not for, and
//! to tell an expired token from clocks that disagree.
//!
//! Nothing is decided in a token's favour here: Vault alone verifies it. The signature is not
//! looked at, and nothing of a token is ever shown.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use zeroize::Zeroizing;

/// The claims that are looked at.
#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(default)]
    aud: Audience,
    exp: Option<f64>,
    nbf: Option<f64>,
}

/// RFC 7519, section 4.1.3: one text or a list of them.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

/// The claims of a token in compact form (RFC 7515, section 3.1); `None` if it is none.
pub(super) fn claims(jwt: &str) -> Option<Claims> {
    let mut parts = jwt.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload).map(Zeroizing::new);
    serde_json::from_slice(&json.ok()?).ok()
}

impl Claims {
    /// Whether the token is meant for `audience`.
    pub(super) fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            Audience::One(one) => one == audience,
            Audience::Many(many) => many.iter().any(|one| one == audience),
            Audience::None => false,
        }
    }

    /// Whether the token has ended by this machine's clock.
    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.exp.is_some_and(|end| end <= seconds(now))
    }

    /// Whether the token has begun by this machine's clock.
    pub(super) fn has_begun(&self, now: SystemTime) -> bool {
        self.nbf.is_none_or(|begin| begin <= seconds(now))
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map(|since| since.as_secs_f64())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(payload: &str) -> Option<Claims> {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
        claims(&format!("e30.{payload}.c2lnbmF0dXJl"))
    }

    #[test]
    fn an_audience_is_one_text_or_a_list() {
        assert!(of(r#"{"aud": "vault"}"#).unwrap().is_for("vault"));
        assert!(of(r#"{"aud": ["a", "vault"]}"#).unwrap().is_for("vault"));
        for other in [
            r#"{"aud": "vaults"}"#,
            r#"{"aud": []}"#,
            r#"{"aud": ["a"]}"#,
            "{}",
        ] {
            assert!(!of(other).unwrap().is_for("vault"), "{other}");
        }
    }

    #[test]
    fn what_is_no_token_has_no_claims() {
        assert!(of("{").is_none());
        for wrong in ["", "a.b", "a.!.c", "e30.e30.a.b"] {
            assert!(claims(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_token_begins_and_ends_by_the_clock() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let claims = of(r#"{"nbf": 100, "exp": 200}"#).unwrap();
        assert!(!claims.has_begun(at(99)) && claims.has_begun(at(100)));
        assert!(!claims.has_expired(at(199)) && claims.has_expired(at(200)));
        let endless = of("{}").unwrap();
        assert!(endless.has_begun(at(0)) && !endless.has_expired(at(1 << 40)));
    }
}

//! A token and its life: how long Vault lets it live, whether that can be prolonged, and until when
//! we ask with it.
//!
//! Instants are taken before a question is sent, so that a life is never thought longer than it is.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::sync::Notify;

use super::{answer::lifetime, wire::Answer};
use crate::secrets::{cache::Mark, memory::LockedBuffer, secret::Marker};

/// A token that Vault took, at least a moment ago.
pub(super) struct Token {
    value: Arc<LockedBuffer>,
    /// `None`: not known.
    lease: Mutex<Option<Lease>>,
    /// Remembers one use until the renewal asks for it.
    used: Notify,
}

impl Token {
    pub(super) fn new(value: Arc<LockedBuffer>, lease: Option<Lease>) -> Self {
        Self {
            value,
            lease: Mutex::new(lease),
            used: Notify::new(),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.value.as_slice()
    }

    pub(super) fn value(&self) -> &Arc<LockedBuffer> {
        &self.value
    }

    pub(super) fn lease(&self) -> Option<Lease> {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_lease(&self, lease: Lease) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
    }

    /// Whether it will live for a while yet, as far as is known.
    pub(super) fn is_good(&self) -> bool {
        let end = self.lease().and_then(|lease| lease.good_until());
        end.is_none_or(|end| Instant::now() < end)
    }

    /// Whether Vault may still know it.
    pub(super) fn may_live(&self) -> bool {
        let end = self.lease().and_then(|lease| lease.ends);
        end.is_none_or(|end| Instant::now() < end)
    }

    pub(super) fn mark_used(&self) {
        self.used.notify_one();
    }

    /// Waits for a use since the last time this was asked; `false` if none came until `end`.
    pub(super) async fn is_used_before(&self, end: Instant) -> bool {
        let used = self.used.notified();
        tokio::time::timeout_at(end.into(), used).await.is_ok()
    }
}

/// Which token: a keyed mark of it, which is not the token.
#[derive(Clone)]
pub(super) struct Fingerprint(Marker, Mark);

impl Fingerprint {
    pub(super) fn of(token: &[u8]) -> Self {
        let marker = Marker::new();
        let mark = marker.mark(token);
        Self(marker, mark)
    }

    pub(super) fn is_of(&self, token: &[u8]) -> bool {
        self.0.mark(token) == self.1
    }
}

/// How long a token lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// `None`: it does not end by itself.
    pub(super) ends: Option<Instant>,
    /// How long before its end it is not asked with any more.
    margin: Duration,
    is_renewable: bool,
    /// How many requests it is good for; zero: any number.
    pub(super) uses: u64,
    /// A batch token: it can be neither renewed nor revoked.
    pub(super) is_batch: bool,
}

impl Lease {
    /// From an answer to a login or a renewal.
    pub(super) fn of_login(answer: &Answer, asked: Instant) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            auth: Auth,
        }
        #[derive(Deserialize)]
        struct Auth {
            #[serde(default)]
            renewable: bool,
            #[serde(default)]
            num_uses: u64,
            token_type: Option<String>,
        }
        let seconds = lifetime(answer)?;
        let Body { auth } = serde_json::from_slice(&answer.body).ok()?;
        let is_batch = auth.token_type.as_deref() == Some("batch");
        Some(Self::new(
            seconds,
            asked,
            auth.renewable,
            auth.num_uses,
            is_batch,
        ))
    }

    /// From an answer to `auth/token/lookup-self`.
    pub(super) fn of_lookup(answer: &Answer, asked: Instant) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            ttl: u64,
            #[serde(default)]
            renewable: bool,
            #[serde(default)]
            num_uses: u64,
            #[serde(rename = "type")]
            kind: Option<String>,
        }
        let Body { data } = serde_json::from_slice(&answer.body).ok()?;
        let is_batch = data.kind.as_deref() == Some("batch");
        Some(Self::new(
            data.ttl,
            asked,
            data.renewable,
            data.num_uses,
            is_batch,
        ))
    }

    fn new(seconds: u64, asked: Instant, is_renewable: bool, uses: u64, is_batch: bool) -> Self {
        let granted = Duration::from_secs(seconds);
        Self {
            ends: (seconds > 0).then(|| asked.checked_add(granted)).flatten(),
            margin: granted / 10,
            is_renewable,
            uses,
            is_batch,
        }
    }

    /// Until when it is asked with: the last tenth is for requests under way.
    fn good_until(&self) -> Option<Instant> {
        self.ends?.checked_sub(self.margin)
    }

    /// Whether a renewal would prolong it. One that is good for a number of requests is not spent
    /// on that.
    pub(super) fn can_be_renewed(&self) -> bool {
        self.is_renewable && self.uses == 0 && self.ends.is_some()
    }

    /// When to renew it: at two thirds of what remains, a little earlier by chance, so that many
    /// who began together do not ask together.
    pub(super) fn renew_at(&self, now: Instant) -> Option<Instant> {
        let remains = self.ends?.saturating_duration_since(now);
        let chance = 1.0 - fastrand::f64() / 10.0;
        Some(now + remains.mul_f64(2.0 / 3.0 * chance))
    }

    /// Whether this one, granted by a renewal, ends noticeably later than the one `before` it. Vault
    /// counts in seconds.
    pub(super) fn prolongs(&self, before: &Self) -> bool {
        match (self.ends, before.ends) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(now), Some(then)) => now > then + Duration::from_secs(1),
        }
    }

    /// As granted by a renewal of the one `before` it: near its maximum life a token is granted less
    /// and less, and a tenth of that would be too little for the requests under way.
    pub(super) fn after(self, before: &Self) -> Self {
        Self {
            margin: self.margin.max(before.margin),
            ..self
        }
    }

    /// The same, never to be renewed again.
    pub(super) fn at_its_last(self) -> Self {
        Self {
            is_renewable: false,
            ..self
        }
    }
}

/// Whether a 403 is a policy's word on a token that Vault knows: of a dead one it says less (a bare
/// `permission denied`), or more (`invalid token`).
pub(super) fn is_denied_by_policy(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<String>,
    }
    let body = serde_json::from_slice::<Body>(&answer.body);
    answer.status == 403
        && body.is_ok_and(|body| {
            let says = |words: &str| body.errors.iter().any(|said| said.contains(words));
            says("1 error occurred") && says("permission denied") && !says("invalid token")
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;

    fn answer(status: u16, body: &serde_json::Value) -> Answer {
        Answer {
            status,
            body: Zeroizing::new(body.to_string().into_bytes()),
            retry_after: None,
        }
    }

    fn login(seconds: u64, asked: Instant) -> Lease {
        let auth = json!({ "lease_duration": seconds, "renewable": true, "num_uses": 0,
                           "token_type": "service" });
        Lease::of_login(&answer(200, &json!({ "auth": auth })), asked).unwrap()
    }

    #[test]
    fn a_token_is_renewed_at_two_thirds_and_asked_with_for_nine_tenths() {
        let now = Instant::now();
        let lease = login(60, now);
        assert_eq!(lease.good_until(), Some(now + Duration::from_secs(54)));
        for _ in 0..100 {
            let at = lease.renew_at(now).unwrap() - now;
            assert!(
                (Duration::from_secs(36)..=Duration::from_secs(40)).contains(&at),
                "{at:?}"
            );
        }
        assert!(lease.can_be_renewed() && !lease.at_its_last().can_be_renewed());
        let last = login(10, now).after(&lease).good_until();
        assert_eq!(last, Some(now + Duration::from_secs(4)), "the margin stays");
    }

    #[test]
    fn a_token_without_an_end_is_good_and_not_renewed() {
        let lease = login(0, Instant::now());
        assert_eq!((lease.ends, lease.good_until()), (None, None));
        assert!(!lease.can_be_renewed());
    }

    #[test]
    fn batch_tokens_and_tokens_for_some_requests_are_not_renewed() {
        let data = |kind: &str, renewable: bool, uses: u64| {
            let data = json!({ "ttl": 60, "type": kind, "renewable": renewable, "num_uses": uses });
            Lease::of_lookup(&answer(200, &json!({ "data": data })), Instant::now()).unwrap()
        };
        assert!(data("service", true, 0).can_be_renewed());
        assert!(!data("service", true, 3).can_be_renewed());
        let batch = data("batch", false, 0);
        assert!(batch.is_batch && !batch.can_be_renewed());
    }

    #[test]
    fn a_renewal_that_gives_no_more_time_is_the_last() {
        let now = Instant::now();
        let (first, later) = (login(10, now), now + Duration::from_secs(6));
        assert!(login(10, later).prolongs(&first));
        assert!(login(6, later).prolongs(&first));
        assert!(
            !login(4, later).prolongs(&first),
            "capped by the maximum life"
        );
        assert!(
            !login(5, later).prolongs(&first),
            "but for a rounded second"
        );
    }

    #[test]
    fn a_policys_word_is_told_from_a_dead_token() {
        let denied = |said: &str| is_denied_by_policy(&answer(403, &json!({ "errors": [said] })));
        assert!(denied("1 error occurred:\n\t* permission denied\n\n"));
        assert!(!denied("permission denied"));
        assert!(!denied(
            "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
        ));
    }
}

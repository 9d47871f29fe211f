//! Which refusals are worth another try within a batch's deadline, and when.
//!
//! Pure but for chance. The statuses are those that OTLP/HTTP calls retryable
//! (<https://opentelemetry.io/docs/specs/otlp/>, "Retryable Response Codes"); they mean the same
//! of any receiver: it did not take the batch, and may soon.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

/// Between two tries there is at least this, whatever the receiver says.
const SHORTEST: Duration = Duration::from_millis(50);
/// Before the first retry, if the receiver says nothing; doubled with each.
const FIRST_MS: u64 = 200;
/// How often it is doubled.
const DOUBLINGS: u32 = 4;

/// How long to wait before a request that was refused with `status` is sent for the `tries`th time
/// again, from 0; `None`: it would be refused again.
pub(super) fn wait(
    status: StatusCode,
    headers: &HeaderMap,
    tries: u32,
    now: Timestamp,
) -> Option<Duration> {
    matches!(status.as_u16(), 429 | 502 | 503 | 504).then(|| {
        asked(headers, now)
            .unwrap_or_else(|| backoff(tries))
            .max(SHORTEST)
    })
}

/// `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
fn asked(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A date that has passed asks for no wait.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// Exponential, with up to half taken off by chance, so that replicas do not come back together.
fn backoff(tries: u32) -> Duration {
    let full = FIRST_MS << tries.min(DOUBLINGS);
    Duration::from_millis(fastrand::u64(full / 2..=full))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn waits(status: u16, retry_after: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        }
        wait(StatusCode::from_u16(status).unwrap(), &headers, 0, now())
    }

    #[test]
    fn only_a_refusal_that_may_pass_is_tried_again() {
        for passing in [429, 502, 503, 504] {
            assert!(waits(passing, None).is_some(), "{passing}");
        }
        for lasting in [301, 307, 400, 401, 403, 404, 408, 413, 500, 501] {
            assert_eq!(waits(lasting, Some("1")), None, "{lasting}");
        }
    }

    #[test]
    fn the_receiver_says_when_in_seconds_or_by_a_date() {
        let seconds = |text| waits(503, Some(text)).unwrap();
        assert_eq!(seconds("7"), Duration::from_secs(7));
        assert_eq!(
            seconds("Fri, 02 Jan 2026 03:04:17 GMT"),
            Duration::from_secs(12)
        );
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), SHORTEST);
        assert_eq!(seconds("0"), SHORTEST);
        let unsaid = seconds("soon");
        assert!((100..=200).contains(&unsaid.as_millis()), "{unsaid:?}");
    }

    proptest! {
        #[test]
        fn whatever_a_receiver_says_there_is_a_wait(text in "[ -~]{0,40}", tries in any::<u32>()) {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(&text).unwrap());
            let wait = wait(StatusCode::SERVICE_UNAVAILABLE, &headers, tries, now());
            prop_assert!(wait.unwrap() >= SHORTEST);
        }
    }
}

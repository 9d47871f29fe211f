//! A refused request, and what is the same in every vendor's refusals: when to try again.
//!
//! What a vendor wrote is read to choose among our kinds, and dropped: it may quote the key. Only
//! numbers that stand in a known place are carried over.

use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

use crate::models::ModelErrorKind;

/// The longest wait that is passed on; a server that names a longer one is not to be believed.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The largest error inside an answer that is read for its kind: a tree of values is many times
/// its text.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// A request that got no answer.
pub struct Refused<'a> {
    pub(in crate::models::providers) status: StatusCode,
    pub(in crate::models::providers) headers: &'a HeaderMap,
    /// The body, as far as it was read.
    pub(in crate::models::providers) body: &'a [u8],
}

impl Refused<'_> {
    /// When to try again: seconds, milliseconds, a date, or how long until a limit is reset, in
    /// the headers that vendors use.
    pub(in crate::models::providers) fn retry_after(&self) -> Option<Duration> {
        retry_after(self.headers)
    }

    /// What a status means by itself, whatever the body says; `None` where the body matters.
    pub(in crate::models::providers) fn by_status(&self) -> Option<ModelErrorKind> {
        Some(match self.status.as_u16() {
            401 => ModelErrorKind::BadKey,
            402 => ModelErrorKind::QuotaExceeded,
            413 => ModelErrorKind::ContextTooLong {
                limit: None,
                given: None,
            },
            408 | 500.. => ModelErrorKind::UpstreamDown {
                retry_after: self.retry_after(),
                cause: None,
            },
            _ => return None,
        })
    }

    /// What a status means where the body said nothing that is known.
    pub(in crate::models::providers) fn by_default(&self) -> ModelErrorKind {
        match self.status.as_u16() {
            403 => ModelErrorKind::NotPermitted,
            404 | 405 => ModelErrorKind::NoSuchEndpoint,
            409 => ModelErrorKind::UpstreamDown {
                retry_after: self.retry_after(),
                cause: None,
            },
            429 => ModelErrorKind::RateLimited {
                retry_after: self.retry_after(),
            },
            _ => ModelErrorKind::InvalidArgument {
                argument: None,
                reason: None,
            },
        }
    }

    /// The body, if it is JSON.
    pub(in crate::models::providers) fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body).ok()
    }
}

/// The JSON of an error inside an answer that had begun well; null if it is too large to be read.
pub(in crate::models::providers) fn error_in_answer(json: &[u8]) -> Value {
    if json.len() > MAX_ERROR_BYTES {
        return Value::Null;
    }
    serde_json::from_slice(json).unwrap_or_default()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = || {
        text("retry-after-ms")?
            .parse()
            .ok()
            .map(Duration::from_millis)
    };
    let seconds = || {
        text(RETRY_AFTER.as_str())?
            .parse()
            .ok()
            .map(Duration::from_secs)
    };
    let until = |date: jiff::Timestamp| {
        Duration::try_from(date.duration_since(jiff::Timestamp::now())).ok()
    };
    let date = || {
        let date = jiff::fmt::rfc2822::parse(text(RETRY_AFTER.as_str())?).ok()?;
        until(date.timestamp())
    };
    let wait = milliseconds().or_else(seconds).or_else(date).or_else(|| {
        // A request that waits for each limit that is used up gets through.
        let used_up = |limit: &str| {
            let (remaining, reset) = match limit.strip_prefix("anthropic-") {
                Some(limit) => (
                    format!("anthropic-ratelimit-{limit}-remaining"),
                    format!("anthropic-ratelimit-{limit}-reset"),
                ),
                None => (
                    format!("x-ratelimit-remaining-{limit}"),
                    format!("x-ratelimit-reset-{limit}"),
                ),
            };
            let is_used_up = text(&remaining)?.parse::<i64>().ok()? <= 0;
            let reset = text(&reset).filter(|_| is_used_up)?;
            span(reset).or_else(|| until(reset.parse().ok()?))
        };
        LIMITS.into_iter().filter_map(used_up).max()
    });
    wait.map(|wait| wait.min(MAX_WAIT))
}

/// The limits whose reset vendors tell: OpenAI's, Azure's and Groq's
/// (developers.openai.com/api/docs/guides/rate-limits), and Anthropic's with its prefix
/// (platform.claude.com/docs/en/api/rate-limits).
const LIMITS: [&str; 6] = [
    "requests",
    "tokens",
    "anthropic-requests",
    "anthropic-tokens",
    "anthropic-input-tokens",
    "anthropic-output-tokens",
];

/// A span of time as these headers write it: `1h30m`, `6m0s`, `33.023s`, `547ms`, or whole seconds.
fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, left) = after.split_at(letters);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "ns" => 0.000_001,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = left;
    }
    (!text.is_empty()).then_some(total)
}

/// The number that follows a fixed phrase. Nine digits at most, so that it is a count of tokens.
pub(in crate::models::providers) fn number_after(message: &str, phrase: &str) -> Option<u64> {
    let (_, rest) = message.split_once(phrase)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, after) = rest.split_at(digits);
    let counts = digits <= 9 && (after.is_empty() || after.starts_with([' ', '.', ',']));
    number.parse().ok().filter(|_| counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parsed_only_where_they_are_counts_of_tokens() {
        let message = "this model's maximum context length is 8192 tokens. however, your messages \
                       resulted in 9001 tokens.";
        assert_eq!(
            number_after(message, "maximum context length is "),
            Some(8192)
        );
        assert_eq!(number_after(message, "resulted in "), Some(9001));
        assert_eq!(
            number_after("resulted in 12345678901234567890 tokens", "resulted in "),
            None
        );
        assert_eq!(number_after("resulted in 12ab", "resulted in "), None);
        assert_eq!(number_after("resulted in ", "resulted in "), None);
    }

    fn wait(told: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in told {
            headers.insert(*name, value.parse().unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn a_wait_is_read_in_each_form_and_bounded() {
        let one = |name: &'static str, value: &str| wait(&[(name, value)]);
        assert_eq!(one("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(
            one("retry-after-ms", "250"),
            Some(Duration::from_millis(250))
        );
        assert_eq!(one("retry-after", "99999999999"), Some(MAX_WAIT));
        assert_eq!(
            one("retry-after", "Wed, 21 Oct 2099 07:28:00 GMT"),
            Some(MAX_WAIT)
        );
        assert_eq!(one("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(one("retry-after", "soon"), None);
    }

    #[test]
    fn the_reset_of_a_limit_that_is_used_up_is_a_wait_and_no_other() {
        let openai = |requests: &str, reset: &str| {
            wait(&[
                ("x-ratelimit-remaining-requests", requests),
                ("x-ratelimit-reset-requests", reset),
                ("x-ratelimit-remaining-tokens", "100"),
                ("x-ratelimit-reset-tokens", "1h"),
            ])
        };
        for (reset, expected) in [
            ("1s", 1_000),
            ("6m0s", 360_000),
            ("33.023s", 33_023),
            ("547ms", 547),
            ("1h30m", 5_400_000),
            ("64", 64_000),
        ] {
            assert_eq!(
                openai("0", reset),
                Some(Duration::from_millis(expected)),
                "{reset}"
            );
            assert_eq!(openai("1", reset), None);
        }
        for wrong in ["", "s", "1x", "1s1", "-1s", "1e400s"] {
            assert_eq!(openai("0", wrong), None, "{wrong}");
        }
        let anthropic = wait(&[
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2099-01-01T00:00:00Z",
            ),
        ]);
        assert_eq!(anthropic, Some(MAX_WAIT));
        // Azure counts on below zero.
        let azure = wait(&[
            ("x-ratelimit-remaining-tokens", "-27689"),
            ("x-ratelimit-reset-tokens", "64"),
        ]);
        assert_eq!(azure, Some(Duration::from_secs(64)));
    }
}

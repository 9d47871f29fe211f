//! What the settings of every room share: how a problem in them is told, and how durations are
//! written.
//!
//! It stands apart so that a room can refuse a setting without knowing YAML: it names the key
//! by its path, and `config` finds the line. It must never carry a refused value: the line with
//! the mistake may hold a pasted key.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A setting that a room refuses, told by the path of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key's path from the root of the configuration, such as
    /// `["secrets", "providers", "vault", "address"]`; list items by index (`"0"`).
    pub path: Vec<String>,
    /// What is wrong, without the refused value.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Problem {
    /// A problem at `path` (keys separated by `.`; use [`Problem::at`] for keys with dots).
    #[must_use]
    pub fn new(path: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::at(path.split('.'), message, help)
    }

    /// A problem at the key reached by `path`, one item a step.
    #[must_use]
    pub fn at<S: Into<String>>(
        path: impl IntoIterator<Item = S>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into_iter().map(Into::into).collect(),
            message: message.into(),
            help: help.into(),
        }
    }
}

/// Where settings read variables of the environment that are not secret, so that tests never touch
/// the real one.
pub trait Environment: Send + Sync {
    /// The variable's value; `None` if it is unset or not UTF-8.
    fn var(&self, name: &str) -> Option<String>;
}

/// The process's own environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

impl Environment for std::collections::HashMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// Reads a duration written as a number and one unit: `250ms`, `30s`, `5m`, `1h`.
///
/// # Errors
/// A sentence that says what is expected; it never repeats the input.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "expected a duration such as `250ms`, `30s`, `5m` or `1h`";
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| EXPECTED)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(EXPECTED),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or(EXPECTED)
}

/// Whole milliseconds, in a type that logs write as a number.
#[must_use]
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `#[serde(deserialize_with)]` for a [`Duration`] in the form of [`parse_duration`].
///
/// # Errors
/// As [`parse_duration`].
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(de::Error::custom)
}

/// The same for a setting that may be left out, or null.
///
/// # Errors
/// As [`parse_duration`].
pub fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| parse_duration(&text).map_err(de::Error::custom))
        .transpose()
}

/// `#[serde(deserialize_with)]` for a setting that restricts: left out it restricts nothing, so one
/// that is written as null is a mistake, and must not be taken for one that is left out.
///
/// # Errors
/// A value of another type, null among them.
pub fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        for wrong in [
            "",
            "5",
            "s",
            "5 s",
            "-1s",
            "1d",
            "99999999999999999999s",
            "999999999999999999h",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}

//! The name by which the rest of the program asks for a secret.
//!
//! A name is chosen by the operator and may appear in logs and errors, so its alphabet is narrow:
//! it cannot hold what walks a path, breaks a line or starts a query when it is put into a
//! reference.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use crate::key_shape::looks_like_key;

/// A secret's name: 1 to 128 characters of `a-z A-Z 0-9 . _ -`, in segments parted by `/`, none
/// of which is empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretName(String);

/// The text is not a secret's name. It is not repeated: it may be a pasted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret's name is 1 to 128 characters of a-z, A-Z, 0-9, `.`, `_`, `-`, with `/` between \
     segments, and does not look like a key"
)]
pub struct InvalidName;

impl SecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        let segment = |s: &str| !s.is_empty() && s != "." && s != "..";
        if !looks_like_key(text)
            && text.len() <= 128
            && text.chars().all(allowed)
            && text.split('/').all(segment)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}

impl TryFrom<String> for SecretName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_key_is_not_a_name() {
        for key in [
            "sk-proj-0123456789abcdef",
            "0ca4a12f9b7d4e6f8e1c2a9b7d4e6f0f",
        ] {
            assert!(key.parse::<SecretName>().is_err(), "{key}");
        }
    }

    #[test]
    fn a_name_cannot_walk_a_path() {
        for wrong in [
            "", "/a", "a/", "a//b", "../a", "a/./b", "a b", "a#b", "a?b", "ä",
        ] {
            assert!(wrong.parse::<SecretName>().is_err(), "{wrong}");
        }
        assert!("team-a/openai.v2_x".parse::<SecretName>().is_ok());
        assert!("x".repeat(129).parse::<SecretName>().is_err());
    }
}

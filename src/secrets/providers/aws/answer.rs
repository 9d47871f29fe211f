//! What Secrets Manager holds at a place, taken out of the SDK's types and put into the pool.
//!
//! The SDK's own copies end here: they are moved out and wiped.

use std::{sync::Arc, time::SystemTime};

use aws_sdk_secretsmanager::{
    operation::get_secret_value::GetSecretValueOutput,
    primitives::{Blob, DateTime},
    types::SecretValueEntry,
};
use zeroize::Zeroizing;

use super::place::Place;
use crate::secrets::{
    memory::{LockedBuffer, PoolFull},
    providers::{
        ErrorKind, Found, Lookup, ProviderError,
        json_field::{self, NoText, Text},
        value,
    },
};

/// A secret as it was sent, whole.
pub(super) struct Answer {
    /// Text or bytes: where a key is stored as bytes, the bytes are the key.
    whole: Zeroizing<Vec<u8>>,
    version: Option<String>,
    created_at: Option<SystemTime>,
}

impl From<GetSecretValueOutput> for Answer {
    fn from(output: GetSecretValueOutput) -> Self {
        Self::new(
            output.secret_string,
            output.secret_binary,
            output.version_id,
            output.created_date,
        )
    }
}

impl From<SecretValueEntry> for Answer {
    fn from(entry: SecretValueEntry) -> Self {
        Self::new(
            entry.secret_string,
            entry.secret_binary,
            entry.version_id,
            entry.created_date,
        )
    }
}

impl Answer {
    fn new(
        text: Option<String>,
        binary: Option<Blob>,
        version: Option<String>,
        created: Option<DateTime>,
    ) -> Self {
        let text = text.map(String::into_bytes);
        let whole = text.or_else(|| binary.map(Blob::into_inner));
        Self {
            whole: Zeroizing::new(whole.unwrap_or_default()),
            version: version.filter(|id| is_version_id(id)),
            created_at: created.and_then(|date| SystemTime::try_from(date).ok()),
        }
    }

    /// The value at `place`, which `about` names to the operator.
    pub(super) fn value_at(
        &self,
        place: &Place<'_>,
        about: &str,
    ) -> Result<Text<'_>, ProviderError> {
        pick(&self.whole, place, about)
    }

    /// The value, once it was put into the pool, or was not.
    pub(super) fn stored(
        &self,
        stored: Result<LockedBuffer, PoolFull>,
    ) -> Result<Lookup, ProviderError> {
        let stored =
            stored.map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))?;
        Ok(Lookup::Found(Found {
            value: Arc::new(stored),
            version: self.version.clone(),
            created_at: self.created_at,
            expires_at: None,
        }))
    }
}

/// Whether a text has the form of AWS's version ids, so that it may be logged and printed. What a
/// server says beyond that is no version.
fn is_version_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn pick<'a>(whole: &'a [u8], place: &Place<'_>, about: &str) -> Result<Text<'a>, ProviderError> {
    let the_value = format!("{about}: the value");
    let Some(field) = place.field else {
        value::check(whole, &the_value)?;
        return Ok(Text::Borrowed(whole));
    };
    let found = json_field::find(whole, &json_field::steps(field));
    let text = found.map_err(|why| {
        let (kind, what) = match why {
            NoText::NotJson => (
                ErrorKind::Malformed,
                "the value is not JSON, so it has no field",
            ),
            NoText::Absent => (
                ErrorKind::FieldAbsent,
                "the secret is there, its field is not",
            ),
            NoText::NotString => (ErrorKind::Malformed, "the field is not a string"),
        };
        ProviderError::new(kind, format!("{about}: {what}"))
    })?;
    value::check(text.as_bytes(), &format!("{about}: the field"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_only_in_the_form_of_one() {
        assert!(is_version_id("EXAMPLE1-90ab-cdef-fedc-ba987SECRET1"));
        let long = "a".repeat(65);
        for wrong in ["", "a b", "a\nlevel=ERROR", "\u{1b}[2J", "\u{e9}", &long] {
            assert!(!is_version_id(wrong), "{wrong:?}");
        }
    }
}

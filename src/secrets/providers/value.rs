//! What every provider asks of a value before it hands it out.
//!
//! The messages describe the mistake and never show a byte of the value.

use super::{ErrorKind, MAX_VALUE_BYTES, ProviderError};

/// Removes one `\n` or `\r\n` from the end: what editors and `echo` put behind a key in a file.
#[cfg(any(feature = "file", feature = "vault", feature = "exec"))]
pub(super) fn without_line_end(value: &[u8]) -> &[u8] {
    match value {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        whole => whole,
    }
}

/// Refuses a value that cannot be a key: empty, too long, or with a control byte. `place` names
/// where it came from, for the operator.
///
/// # Errors
/// [`ErrorKind::Malformed`].
pub(super) fn check(value: &[u8], place: &str) -> Result<(), ProviderError> {
    let malformed = |what: &str| {
        Err(ProviderError::new(
            ErrorKind::Malformed,
            format!("{place} {what}"),
        ))
    };
    let control = |byte: &u8| *byte < 0x20 || *byte == 0x7f;
    if value.is_empty() {
        malformed("is empty")
    } else if value.len() > MAX_VALUE_BYTES {
        malformed(&format!("is longer than {MAX_VALUE_BYTES} bytes"))
    } else if value.iter().position(control) == Some(value.len() - 1) && value.ends_with(b"\n") {
        malformed("ends with a line break; store it without one")
    } else if value.iter().any(control) {
        malformed("has a control character (a line break, a tab or a zero byte?) in it")
    } else {
        Ok(())
    }
}

/// Refuses a JSON object where one key was expected: sent whole, it would show the upstream every
/// other secret in it.
///
/// # Errors
/// [`ErrorKind::Malformed`].
#[cfg(any(feature = "file", feature = "aws", feature = "exec"))]
pub(super) fn check_not_an_object(value: &[u8], place: &str) -> Result<(), ProviderError> {
    let is_object = value.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok();
    if is_object {
        return Err(ProviderError::new(
            ErrorKind::Malformed,
            format!("{place} is a JSON object; name the member that is the key, as in `#api_key`"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(feature = "file", feature = "vault", feature = "exec"))]
    fn exactly_one_line_end_is_removed() {
        for (raw, stripped) in [
            ("k\n", "k"),
            ("k\r\n", "k"),
            ("k\n\n", "k\n"),
            ("k\r", "k\r"),
            ("k", "k"),
            ("\n", ""),
        ] {
            assert_eq!(
                without_line_end(raw.as_bytes()),
                stripped.as_bytes(),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn a_malformed_value_is_told_without_being_shown() {
        let long = vec![b'x'; MAX_VALUE_BYTES + 1];
        for (value, said) in [
            (&b""[..], "empty"),
            (b"canary\n", "line break"),
            (b"can\nary", "control"),
            (b"can\0ary", "control"),
            (b"canary\x7f", "control"),
            (&long, "longer"),
        ] {
            let error = check(value, "the value").unwrap_err();
            assert_eq!(error.kind, ErrorKind::Malformed);
            assert!(error.detail.contains(said), "{error}");
            assert!(!error.detail.contains("can"), "{error}");
        }
        assert!(check(&long[1..], "the value").is_ok());
    }

    #[test]
    #[cfg(any(feature = "file", feature = "aws", feature = "exec"))]
    fn a_whole_json_object_is_not_taken_for_a_key() {
        assert!(check_not_an_object(br#" {"a": "b"}"#, "the value").is_err());
        assert!(check_not_an_object(b"{not json", "the value").is_ok());
    }
}

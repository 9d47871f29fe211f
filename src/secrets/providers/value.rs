//! What every provider asks of a value before it hands it out.
//!
//! The messages describe the mistake and never show a byte of the value.

use super::{ErrorKind, MAX_VALUE_BYTES, ProviderError};
use crate::secrets::document::has_stray_control;

/// Removes one `\n` or `\r\n` from the end: what editors and `echo` put behind a key in a file.
#[cfg(any(feature = "file", feature = "vault", feature = "exec"))]
pub(super) fn without_line_end(value: &[u8]) -> &[u8] {
    match value {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        whole => whole,
    }
}

/// Refuses a value that cannot be a secret: empty, too long, or with a control byte. A document (a
/// private key in PEM, the JSON key of a service account) is the one kind that has lines. `place`
/// names where it came from, for the operator.
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
    if value.is_empty() {
        malformed("is empty")
    } else if value.len() > MAX_VALUE_BYTES {
        malformed(&format!("is longer than {MAX_VALUE_BYTES} bytes"))
    } else if has_stray_control(value) {
        let is_line_end = value.strip_suffix(b"\n");
        if is_line_end.is_some_and(|rest| !has_stray_control(rest)) {
            return malformed("ends with a line break; store it without one");
        }
        malformed("has a control character (a line break, a tab or a zero byte?) in it")
    } else {
        Ok(())
    }
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
}

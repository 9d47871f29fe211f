//! Documents among the secrets: a private key in PEM, the JSON key of a service account.
//!
//! They have lines, which no key that is sent has, and they are not sent: a certificate is proved
//! with the one, the other is exchanged for a token.

/// Whether there is a control byte in `value` that has no place there: any in a key, any but those
/// of lines in a document.
pub(super) fn has_stray_control(value: &[u8]) -> bool {
    let is_document = value.starts_with(b"-----BEGIN ") || is_object(value);
    let is_stray = |byte: &u8| match byte {
        b'\n' | b'\r' | b'\t' => !is_document,
        byte => byte.is_ascii_control(),
    };
    value.iter().any(is_stray)
}

/// Whether `value` is a JSON object: sent whole as a key, it would show the upstream every secret
/// in it.
pub(super) fn is_object(value: &[u8]) -> bool {
    value.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok()
}

/// What of `value` is its own, to be recognised by: of a private key in PEM what is between its first
/// and last lines, without the beginning, which is the same in all keys of its kind and like that in
/// certificates.
pub(super) fn own_part(value: &[u8]) -> &[u8] {
    const SAME: usize = 64;
    let is_pem = value.starts_with(b"-----BEGIN ");
    let first = value.iter().position(|byte| *byte == b'\n');
    let Some(first) = first.filter(|_| is_pem) else {
        return value;
    };
    let body = &value[first + 1..];
    let end = body.windows(5).position(|window| window == b"-----");
    let body = body[..end.unwrap_or(body.len())].trim_ascii_end();
    // The shortest, Ed25519's, have one line, of which 22 characters are the same.
    let same = if body.len() > SAME { SAME } else { 22 };
    body.get(same..).unwrap_or(body).trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_private_key_the_part_that_is_its_own_is_known() {
        let pem =
            |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----");
        let (line, rest) = ("A".repeat(64), "bcdefghij".repeat(7));
        for (value, own) in [
            (pem(&format!("{line}\n{rest}")), rest.as_str()),
            (
                pem(&format!("{}{}", "A".repeat(22), &rest[..42])),
                &rest[..42],
            ),
            ("sk-key".to_owned(), "sk-key"),
            (pem(""), ""),
        ] {
            assert_eq!(own_part(value.as_bytes()), own.as_bytes(), "{value}");
        }
    }

    #[test]
    fn a_document_has_lines_and_a_key_has_none() {
        for (value, is_stray) in [
            ("sk-key", false),
            ("sk\nkey", true),
            ("sk\tkey", true),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\r\n-----END PRIVATE KEY-----",
                false,
            ),
            ("-----BEGIN PRIVATE KEY-----\nAA\0A", true),
            ("{\n\t\"private_key\": \"k\"\n}", false),
            ("{\n not json", true),
            ("sk-key\u{7f}", true),
        ] {
            assert_eq!(has_stray_control(value.as_bytes()), is_stray, "{value:?}");
        }
    }

    #[test]
    fn an_object_is_told_from_what_only_begins_like_one() {
        assert!(is_object(br#" {"a": "b"}"#));
        assert!(!is_object(b"{not json"));
        assert!(!is_object(b"[1]"));
    }
}

//! From when until when a certificate is valid, read from its DER: the one thing that Vault does
//! not say when it refuses one.
//!
//! For messages alone; nothing is trusted because of it.

use jiff::Timestamp;

/// DER tags (X.690, section 8).
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// `notBefore` and `notAfter` of a certificate (RFC 5280, section 4.1).
pub(super) fn validity(der: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if let Some((_, after)) = element(rest, VERSION) {
        rest = after;
    }
    let (_, rest) = element(rest, INTEGER)?;
    let (_, rest) = element(rest, SEQUENCE)?; // the signature's algorithm
    let (_, rest) = element(rest, SEQUENCE)?; // the issuer
    let (times, _) = element(rest, SEQUENCE)?;
    let (begin, rest) = time(times)?;
    let (end, _) = time(rest)?;
    Some((begin, end))
}

/// The content of the first element, if it has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, bytes) = bytes.split_first()?;
    let (first, mut bytes) = bytes.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let (digits, after) = bytes.split_at_checked(length - 0x80)?;
        if digits.len() > 4 {
            return None;
        }
        length = digits
            .iter()
            .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        bytes = after;
    }
    (*found == tag).then(|| bytes.split_at_checked(length))?
}

/// The first element as a time, and what follows it.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest, century) = match element(bytes, UTC_TIME) {
        Some((text, rest)) => {
            // RFC 5280, section 4.1.2.5.1: two digits, of 1950 to 2049.
            let is_old = text.first().is_some_and(|digit| *digit >= b'5');
            (text, rest, if is_old { "19" } else { "20" })
        }
        None => {
            let (text, rest) = element(bytes, GENERALIZED_TIME)?;
            (text, rest, "")
        }
    };
    let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
    let part = |from: usize, to: usize| text.get(from..to);
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    Some((written.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_times_of_a_certificate_are_read_in_both_forms() {
        for (year, end) in [
            (2031, "2031-02-03T00:00:00Z"),
            (2075, "2075-02-03T00:00:00Z"),
        ] {
            let mut params = CertificateParams::new(vec!["keyward.test".to_owned()]).unwrap();
            params.not_before = date_time_ymd(1999, 12, 31);
            params.not_after = date_time_ymd(year, 2, 3);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let (found_begin, found_end) = validity(certificate.der()).unwrap();
            assert_eq!(found_begin.to_string(), "1999-12-31T00:00:00Z");
            assert_eq!(found_end.to_string(), end);
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_times() {
        for wrong in [
            &[][..],
            &[0x30],
            &[0x30, 0x84, 0xff],
            &[0x30, 0x02, 0x30, 0x00],
        ] {
            assert!(validity(wrong).is_none(), "{wrong:?}");
        }
    }
}

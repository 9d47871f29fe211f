//! Bank accounts: country, length and check digits must all be right (ISO 13616-1).
//!
//! Source of the lengths: the IBAN registry of SWIFT, www.swift.com/swift-resource/9606.

use super::finder::ends_number;

/// By country.
#[rustfmt::skip]
const LENGTHS: [(&[u8; 2], usize); 84] = [
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16),
    (b"BG", 22), (b"BH", 22), (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22),
    (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28), (b"EE", 20),
    (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FK", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22),
    (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HN", 28), (b"HR", 21),
    (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26), (b"IT", 27), (b"JO", 30),
    (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20),
    (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20),
    (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23),
    (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22),
    (b"RU", 33), (b"SA", 24), (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24),
    (b"SM", 27), (b"SO", 23), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VG", 24),
];

/// Where the account number ends that begins at `at`, written in one run or in groups of four.
pub(super) fn end(text: &[u8], at: usize) -> Option<usize> {
    let &[first, second, tens, ones] = text.get(at..at + 4)?.first_chunk::<4>()?;
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    let country = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
    let known = LENGTHS
        .binary_search_by_key(&&country, |(code, _)| code)
        .ok()?;
    let (_, length) = LENGTHS.get(known)?;
    let is_grouped = text.get(at + 4) == Some(&b' ');
    let mut signs = Vec::with_capacity(*length);
    let mut end = at;
    while signs.len() < *length {
        if is_grouped && !signs.is_empty() && signs.len() % 4 == 0 {
            (text.get(end) == Some(&b' ')).then_some(())?;
            end += 1;
        }
        signs.push(text.get(end)?.to_ascii_uppercase());
        end += 1;
    }
    (ends_number(text, end) && remainder(&signs) == Some(1)).then_some(end)
}

/// ISO 7064, MOD 97-10, of the signs with the first four moved to the end.
fn remainder(signs: &[u8]) -> Option<u32> {
    let (first, rest) = signs.split_at_checked(4)?;
    rest.iter().chain(first).try_fold(0, |remainder, &sign| {
        let value = char::from(sign).to_digit(36)?;
        let shift = if value > 9 { 100 } else { 10 };
        Some((remainder * shift + value) % 97)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The examples of the registry.
    #[test]
    fn accounts_are_told_by_country_length_and_check_digits() {
        for account in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB29NWBK60161331926819",
            "gb29nwbk60161331926819",
            "NO9386011117947",
            "FR1420041010050500013M02606",
            "MT84MALT011000012345MTLCAST001S",
            "FR14 2004 1010 0505 0001 3M02 606",
        ] {
            assert_eq!(end(account.as_bytes(), 0), Some(account.len()), "{account}");
        }
        for other in [
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "DE89 3704 00440532013000",
            "XX89370400440532013000",
            "DE8937040044053201300\u{e9}",
            "DE",
        ] {
            assert_eq!(end(other.as_bytes(), 0), None, "{other}");
        }
    }

    #[test]
    fn the_check_digits_catch_every_wrong_sign() {
        let right = *b"DE89370400440532013000";
        for index in 2..right.len() {
            let mut wrong = right;
            wrong[index] = b'0' + (wrong[index] - b'0' + 1) % 10;
            assert_eq!(end(&wrong, 0), None, "{index}");
        }
    }

    #[test]
    fn the_countries_are_in_order_and_each_once() {
        assert!(LENGTHS.is_sorted_by(|one, next| one.0 < next.0));
    }
}

//! Payment cards: issuer, length and check digit must all be right.
//!
//! Source of the ranges: ISO/IEC 7812-1 and the issuers' published numbering, as listed at
//! en.wikipedia.org/wiki/Payment_card_number.

use super::finder::ends_number;

/// How cards are printed: groups of digits with one space or one dash between them.
const GROUPS: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];

/// Where the card number ends that begins at `at`.
pub(super) fn end(text: &[u8], at: usize) -> Option<usize> {
    let digits = text
        .get(at..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    match digits.count() {
        length @ 12..=19 => check(text, at, &[length]),
        4 => GROUPS.iter().find_map(|groups| check(text, at, groups)),
        _ => None,
    }
}

fn check(text: &[u8], at: usize, groups: &[usize]) -> Option<usize> {
    let mut digits = Vec::with_capacity(19);
    let mut end = at;
    let mut separator = None;
    for &length in groups {
        if !digits.is_empty() {
            let byte = *text.get(end)?;
            if !matches!(byte, b' ' | b'-') || *separator.get_or_insert(byte) != byte {
                return None;
            }
            end += 1;
        }
        for byte in text.get(end..end + length)? {
            digits.push(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        end += length;
    }
    (ends_number(text, end) && is_issued(&digits) && passes_luhn(&digits)).then_some(end)
}

fn is_issued(digits: &[u8]) -> bool {
    let prefix = digits
        .iter()
        .take(6)
        .fold(0, |number, &digit| number * 10 + u32::from(digit));
    let length = digits.len();
    match prefix {
        // Visa
        400_000..=499_999 => matches!(length, 13 | 16 | 19),
        // Mastercard
        510_000..=559_999 | 222_100..=272_099 => length == 16,
        // American Express
        340_000..=349_999 | 370_000..=379_999 => length == 15,
        // Diners Club
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => {
            (14..=19).contains(&length)
        }
        // JCB
        352_800..=358_999 => (16..=19).contains(&length),
        // Discover, UnionPay
        601_100..=601_199 | 644_000..=659_999 | 620_000..=629_999 => (16..=19).contains(&length),
        // Mir
        220_000..=220_499 => (16..=19).contains(&length),
        // Maestro
        501_800..=501_899
        | 502_000..=502_099
        | 503_800..=503_899
        | 589_300..=589_399
        | 630_400..=630_499
        | 675_900..=675_999
        | 676_100..=676_399 => (12..=19).contains(&length),
        _ => false,
    }
}

/// Whether the last of `digits` is the right check digit (ISO/IEC 7812-1, annex B).
pub(in super::super) fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, &digit)| match u32::from(digit) {
            digit if index % 2 == 0 => digit,
            digit if digit > 4 => digit * 2 - 9,
            digit => digit * 2,
        })
        .sum();
    digits.len() > 1 && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The numbers that issuers publish for tests.
    #[test]
    fn cards_are_told_by_issuer_length_and_check_digit() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5555-5555-5555-4444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "30569309025904",
            "3056 930902 5904",
            "6011111111111117",
            "3566002020360505",
            "6200000000000005",
            "2200000000000004",
            "220499999999999993",
        ] {
            assert_eq!(end(card.as_bytes(), 0), Some(card.len()), "{card}");
        }
        for other in [
            "4111111111111112",
            "411111111111111",
            "4111 1111-1111 1111",
            "4111  1111 1111 1111",
            "4111 1111 1111 1111x",
            "4111 1111 1111",
            "9111111111111111",
            "0000000000000000",
            "1700000000000",
        ] {
            assert_eq!(end(other.as_bytes(), 0), None, "{other}");
        }
    }

    #[test]
    fn the_check_digit_catches_every_wrong_digit() {
        let right = b"4111111111111111".map(|byte| byte - b'0');
        assert!(passes_luhn(&right));
        for index in 0..right.len() {
            let mut wrong = right;
            wrong[index] = (wrong[index] + 1) % 10;
            assert!(!passes_luhn(&wrong), "{index}");
        }
        assert!(!passes_luhn(&[]));
    }
}

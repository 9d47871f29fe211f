//! Social security numbers of the United States, in the ranges that are given out.
//!
//! Source: Social Security Administration, "Social Security Number Randomization",
//! www.ssa.gov/employer/randomization.html: no area 000, 666 or 900 to 999, no group 00, no serial
//! 0000. There is no check digit, so a number without dashes counts only behind its name.

use super::finder::ends_number;

/// How far before a number its name may begin.
const NAME_BEFORE: usize = 40;
const NAMES: [&[u8]; 3] = [b"ssn", b"social security", b"social_security"];

/// Where the number ends that begins at `at`.
pub(super) fn end(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let (groups, end) = match *rest {
        [_, _, _, b'-', _, _, b'-', _, _, _, _, ..]
        | [_, _, _, b' ', _, _, b' ', _, _, _, _, ..] => ([0..3, 4..6, 7..11], at + 11),
        _ => ([0..3, 3..5, 5..9], at + 9),
    };
    let [area, group, serial] = groups.map(|range| number(rest.get(range)?));
    let is_given_out =
        !matches!(area?, 0 | 666 | 900..) && group? != 0 && serial? != 0 && ends_number(text, end);
    // A longer number with dashes.
    let goes_on = text.get(end) == Some(&b'-') && text.get(end + 1).is_some_and(u8::is_ascii_digit);
    // Cheap before dear: most words are no number.
    let is_told = || rest.get(3) == Some(&b'-') || is_named(text, at);
    (is_given_out && !goes_on && is_told()).then_some(end)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, &digit| {
        Some(number * 10 + char::from(digit).to_digit(10)?)
    })
}

fn is_named(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(NAME_BEFORE)..at);
    let before = before.unwrap_or_default().to_ascii_lowercase();
    NAMES
        .iter()
        .any(|name| memchr::memmem::find(&before, name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, number: &str) -> bool {
        let at = text.find(number).unwrap();
        end(text.as_bytes(), at) == Some(at + number.len())
    }

    #[test]
    fn numbers_in_the_ranges_that_are_given_out_are_found() {
        for number in ["123-45-6789", "899-99-9999", "001-01-0001"] {
            assert!(found(number, number), "{number}");
        }
        assert!(found("123-45-6789- a dash", "123-45-6789"));
        assert!(found("123-45-6789-", "123-45-6789"));
        assert!(found("SSN: 123456789", "123456789"));
        assert!(found("Social Security no. 123 45 6789", "123 45 6789"));
    }

    #[test]
    fn others_and_longer_ones_are_not() {
        for number in [
            "000-45-6789",
            "666-45-6789",
            "900-45-6789",
            "123-00-6789",
            "123-45-0000",
            "123-45-67890",
            "123-45-6789-1",
            "123-456-789",
            "123456789",
            "123 45 6789",
        ] {
            assert_eq!(end(number.as_bytes(), 0), None, "{number}");
        }
    }
}

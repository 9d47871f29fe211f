//! Telephone numbers, in forms that hardly anything else has.
//!
//! International numbers (ITU-T E.164: a country's code and at most 15 digits) with `+` or `00`;
//! those of North America with their groups; and those of countries where a national number begins
//! with `0` and groups are parted. Digits in one run without `+` are left alone: they might be
//! anything.

use super::finder::ends_number;

/// The longest number, with what parts its groups.
const MAX_BYTES: usize = 28;

/// Where the number ends that begins at `at`.
pub(super) fn end(text: &[u8], at: usize) -> Option<usize> {
    let number = Number::read(text, at)?;
    let is_number = match text.get(at)? {
        b'+' => number.is_international(),
        _ => number.is_north_american() || number.is_national() || number.is_dialled_out(),
    };
    (is_number && ends_number(text, number.end)).then_some(number.end)
}

struct Number {
    /// Each group's digits.
    groups: Vec<Vec<u8>>,
    end: usize,
}

impl Number {
    /// Groups of digits, with at most two signs between them: `) `, ` / `.
    fn read(text: &[u8], at: usize) -> Option<Self> {
        let mut groups: Vec<Vec<u8>> = Vec::new();
        let mut end = at;
        let mut gap = 0;
        let mut starts = true;
        for (index, &byte) in text.get(at..)?.iter().enumerate().take(MAX_BYTES) {
            match byte {
                b'0'..=b'9' => {
                    if gap > 0 || groups.is_empty() {
                        groups.push(Vec::new());
                    }
                    groups.last_mut()?.push(byte - b'0');
                    (gap, starts) = (0, false);
                    end = at + index + 1;
                }
                b'+' | b'(' if starts => {}
                b' ' | b'-' | b'.' | b'(' | b')' | b'/' if gap < 3 && !starts => gap += 1,
                _ => break,
            }
        }
        (!groups.is_empty()).then_some(Self { groups, end })
    }

    fn digits(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    fn first(&self) -> Option<&[u8]> {
        self.groups.first().map(Vec::as_slice)
    }

    /// E.164: no country's code begins with 0.
    fn is_international(&self) -> bool {
        let first = self.first().and_then(<[u8]>::first);
        (8..=15).contains(&self.digits()) && first.is_some_and(|digit| *digit != 0)
    }

    /// `00 49 30 1234567`
    fn is_dialled_out(&self) -> bool {
        let starts = self.first().unwrap_or_default();
        self.groups.len() > 2
            && (10..=17).contains(&self.digits())
            && starts.starts_with(&[0, 0])
            && !matches!(starts.get(2), Some(0))
            && starts.len() <= 5
    }

    /// `(212) 555-0100`, with or without `1`: area and exchange begin with 2 to 9
    /// (North American Numbering Plan, nationalnanpa.com).
    fn is_north_american(&self) -> bool {
        let groups: Vec<&[u8]> = self.groups.iter().map(Vec::as_slice).collect();
        let (area, exchange, line) = match groups.as_slice() {
            [area, exchange, line] | [[1], area, exchange, line] => (area, exchange, line),
            _ => return false,
        };
        let begins = |group: &[u8]| group.len() == 3 && group.first() >= Some(&2);
        begins(area) && begins(exchange) && line.len() == 4
    }

    /// `030 1234567`, `020 7946 0958`; with a first group of two digits only five pairs, as in
    /// France, since dates have pairs too.
    fn is_national(&self) -> bool {
        let Some([0, second, rest @ ..]) = self.first() else {
            return false;
        };
        if rest.is_empty() {
            let are_pairs = self.groups.iter().all(|group| group.len() == 2);
            return *second != 0 && self.groups.len() == 5 && are_pairs;
        }
        *second != 0
            && (1..=3).contains(&rest.len())
            && (2..=5).contains(&self.groups.len())
            && (9..=12).contains(&self.digits())
            && self.groups.iter().skip(1).all(|group| group.len() >= 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_forms_that_people_write() {
        for number in [
            "+14155550100",
            "+1 (415) 555-0100",
            "+49 30 1234567",
            "+49 (0)30 / 123 45 67",
            "+44.20.7946.0958",
            "0049 30 1234567",
            "(212) 555-0100",
            "212-555-0100",
            "212.555.0100",
            "1-212-555-0100",
            "030 1234567",
            "030/1234567",
            "020 7946 0958",
            "06 12 34 56 78",
        ] {
            let text = format!("{number}, then");
            assert_eq!(end(text.as_bytes(), 0), Some(number.len()), "{number}");
        }
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for other in [
            "4155550100",
            "2024-01-15",
            "15.01.2024",
            "192.168.100.200",
            "+0 123 456 789",
            "+123",
            "+1234567890123456",
            "112-555-0100",
            "212-155-0100",
            "0000 0000 0000",
            "01-02-2024 10",
            "978-3-16-148410-0",
            "3.14159265358979",
            "(212) 555-0100x",
        ] {
            assert_eq!(end(other.as_bytes(), 0), None, "{other}");
        }
    }
}

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

struct Number<'t> {
    /// Digits, as they stand.
    groups: Vec<&'t [u8]>,
    end: usize,
}

impl<'t> Number<'t> {
    /// Groups of digits, with at most three signs between them: `) / `.
    fn read(text: &'t [u8], at: usize) -> Option<Self> {
        let signs = |byte: u8, signs: &[u8]| signs.contains(&byte);
        let mut groups = Vec::new();
        let mut end = at;
        let limit = text.len().min(at + MAX_BYTES);
        let mut rest = text.get(at..limit)?;
        loop {
            let between: &[u8] = if groups.is_empty() { b"+(" } else { b" -.()/" };
            let gap = rest.iter().take_while(|&&byte| signs(byte, between));
            let gap = gap.count();
            let behind = rest.get(gap..)?;
            let length = behind
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if length == 0 || gap > 3 {
                break;
            }
            let (group, next) = behind.split_at(length);
            groups.push(group);
            end += gap + length;
            rest = next;
        }
        (!groups.is_empty()).then_some(Self { groups, end })
    }

    fn digits(&self) -> usize {
        self.groups.iter().map(|group| group.len()).sum()
    }

    fn first(&self) -> &'t [u8] {
        self.groups.first().copied().unwrap_or_default()
    }

    /// E.164: no country's code begins with 0.
    fn is_international(&self) -> bool {
        (8..=15).contains(&self.digits()) && self.first().first() != Some(&b'0')
    }

    /// `0049 30 1234567`, `00 49 30 1234567`
    fn is_dialled_out(&self) -> bool {
        let code = self.groups.iter().flat_map(|group| group.iter()).nth(2);
        self.groups.len() > 2
            && (10..=17).contains(&self.digits())
            && self.first().starts_with(b"00")
            && self.first().len() <= 5
            && code != Some(&b'0')
    }

    /// `(212) 555-0100`, with or without `1`: area and exchange begin with 2 to 9
    /// (North American Numbering Plan, nationalnanpa.com).
    fn is_north_american(&self) -> bool {
        let (area, exchange, line) = match self.groups.as_slice() {
            [area, exchange, line] | [b"1", area, exchange, line] => (area, exchange, line),
            _ => return false,
        };
        let begins = |group: &[u8]| group.len() == 3 && group.first() >= Some(&b'2');
        begins(area) && begins(exchange) && line.len() == 4
    }

    /// `030 1234567`, `020 7946 0958`; with a first group of two digits only five pairs, as in
    /// France, since dates have pairs too.
    fn is_national(&self) -> bool {
        let [b'0', second, rest @ ..] = self.first() else {
            return false;
        };
        if rest.is_empty() {
            let are_pairs = self.groups.iter().all(|group| group.len() == 2);
            return *second != b'0' && self.groups.len() == 5 && are_pairs;
        }
        *second != b'0'
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
            "00 00 00 00 00 00 00",
            "01-02-2024 10",
            "978-3-16-148410-0",
            "3.14159265358979",
            "(212) 555-0100x",
        ] {
            assert_eq!(end(other.as_bytes(), 0), None, "{other}");
        }
    }
}

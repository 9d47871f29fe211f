//! Where digits stand close together.
//!
//! Every number that is looked for has nine digits or more within 32 bytes, so one of two
//! neighbouring blocks of 32 has five. Text without such a block is passed over eight bytes at a
//! time.

use std::ops::Range;

const BLOCK: usize = 32;
const DENSE: u32 = 5;
/// How far from such a block a number may begin or end.
const MARGIN: usize = 48;

/// The zones of a text that may hold numbers, in order and apart.
pub(super) struct Zones<'t> {
    text: &'t [u8],
    block: usize,
}

impl<'t> Zones<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        Self { text, block: 0 }
    }
}

impl Iterator for Zones<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut zone: Option<Range<usize>> = None;
        while self.block < self.text.len() {
            let start = self.block;
            let end = self.text.len().min(start + BLOCK);
            let is_dense = self.text.get(start..end).map(count) >= Some(DENSE);
            match &mut zone {
                Some(zone) if is_dense => zone.end = self.text.len().min(end + MARGIN),
                Some(zone) if start >= zone.end => break,
                None if is_dense => {
                    let end = self.text.len().min(end + MARGIN);
                    zone = Some(start.saturating_sub(MARGIN)..end);
                }
                _ => {}
            }
            self.block = end;
        }
        zone
    }
}

/// How many digits there are.
fn count(bytes: &[u8]) -> u32 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let rest = rest.iter().filter(|byte| byte.is_ascii_digit()).count();
    let digits = eights.iter().map(|eight| {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let word = u64::from_ne_bytes(*eight);
        let low = word & !HIGH;
        // Without carries between bytes: the high bit is set from `0` on, and from `:` on.
        let from_zero = low + 0x5050_5050_5050_5050;
        let from_colon = low + 0x4646_4646_4646_4646;
        (from_zero & !from_colon & !word & HIGH).count_ones()
    });
    digits.sum::<u32>() + u32::try_from(rest).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_and_nothing_else_is() {
        for byte in 0..=u8::MAX {
            let expected = 11 * u32::from(byte.is_ascii_digit());
            assert_eq!(count(&[byte; 11]), expected, "{byte}");
        }
    }

    #[test]
    fn a_number_of_nine_digits_lies_in_a_zone_wherever_it_stands() {
        for before in 0..200 {
            let text = format!("{}123-45-6789{}", " ".repeat(before), "x".repeat(200));
            let zones: Vec<_> = Zones::of(text.as_bytes()).collect();
            let covers = |zone: &Range<usize>| zone.start <= before && before + 11 <= zone.end;
            assert!(zones.iter().any(covers), "{before} {zones:?}");
            assert!(zones.iter().map(Range::len).sum::<usize>() < 240);
        }
        assert_eq!(Zones::of("words and 1234".repeat(50).as_bytes()).count(), 1);
        assert_eq!(
            Zones::of("words and more words 12".repeat(50).as_bytes()).count(),
            0
        );
    }
}

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

/// How many digits there are in a block.
fn count(block: &[u8]) -> u32 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let (eights, rest) = block.as_chunks::<8>();
    // A count for each of eight places, none above four.
    let counts = eights.iter().fold(0, |counts, eight| {
        let word = u64::from_ne_bytes(*eight);
        let low = word & !HIGH;
        // Without carries between bytes: the high bit is set from `0` on, and from `:` on.
        let from_zero = low + (0x80 - u64::from(b'0')) * ONES;
        let from_colon = low + (0x80 - u64::from(b':')) * ONES;
        counts + ((from_zero & !from_colon & !word & HIGH) >> 7)
    });
    let digits = u64::wrapping_mul(counts, ONES) >> 56;
    let rest = rest.iter().filter(|byte| byte.is_ascii_digit()).count();
    u32::try_from(digits).unwrap_or(u32::MAX) + u32::try_from(rest).unwrap_or_default()
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
        let text = format!("{}{}", "123456789012".repeat(8), "x".repeat(400));
        let mut zones = Zones::of(text.as_bytes());
        assert_eq!(zones.next(), Some(0..96 + MARGIN));
        assert_eq!(zones.next(), None);
        assert_eq!(Zones::of("words and 1234".repeat(50).as_bytes()).count(), 1);
        assert_eq!(
            Zones::of("words and more words 12".repeat(50).as_bytes()).count(),
            0
        );
    }
}

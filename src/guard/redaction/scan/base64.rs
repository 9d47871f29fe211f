//! Text that is wrapped in base64 (RFC 4648, both alphabets), also over several lines.
//!
//! Where a wrapped text begins in a run of such letters is not known, so it is decoded at each of
//! the four places where it may. What is found is told by all letters that carry a bit of it.

use std::ops::Range;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::{
    budget::{Budget, Exhausted},
    decoded::Decoded,
};

/// The shortest run that is decoded: it carries 30 bytes.
const LEAST: usize = 40;
/// A run of [`LEAST`] letters covers [`PROBE`] bytes from some multiple of [`STRIDE`].
const STRIDE: usize = LEAST - PROBE;
const PROBE: usize = 16;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Calls `seen` with what each run of `text` decodes to, and with a way from a place in it to the
/// letters it came from.
pub(super) fn decode(
    text: &[u8],
    budget: &mut Budget,
    mut seen: impl FnMut(
        &[u8],
        &dyn Fn(&Range<usize>) -> Range<usize>,
        &mut Budget,
    ) -> Result<(), Exhausted>,
) -> Result<(), Exhausted> {
    let mut probe = 0;
    while let Some(probed) = text.get(probe..probe + PROBE) {
        if has_space(probed) || !probed.iter().all(|&byte| is_letter(byte)) {
            probe += STRIDE;
            continue;
        }
        let run = run(text, probe);
        // The next multiple behind it.
        probe = (run.end / STRIDE + 1) * STRIDE;
        if run.len() < LEAST {
            continue;
        }
        let letters = letters(text, &run);
        for phase in 0..4 {
            let wrapped = letters.bytes().get(phase..).unwrap_or_default();
            // One letter alone carries no byte.
            let length = wrapped.len() - usize::from(wrapped.len() % 4 == 1);
            budget.spend(length)?;
            let Ok(plain) = ENGINE.decode(wrapped.get(..length).unwrap_or_default()) else {
                continue;
            };
            let source = |range: &Range<usize>| {
                let first = phase + range.start * 4 / 3;
                let behind = phase + (range.end * 4).div_ceil(3);
                letters.source(&(first..behind))
            };
            seen(&Zeroizing::new(plain), &source, budget)?;
        }
    }
    Ok(())
}

/// Whether there is a byte below the first letter, `+`: hardly ever not, in ordinary text.
fn has_space(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    bytes.as_chunks::<8>().0.iter().any(|eight| {
        let word = u64::from_ne_bytes(*eight);
        let below = word.wrapping_sub(u64::from(b'+') * ONES);
        below & !word & (0x80 * ONES) != 0
    })
}

/// The run around `at`: letters, and line breaks between them.
fn run(text: &[u8], at: usize) -> Range<usize> {
    let mut start = at;
    while let Some(before) = start.checked_sub(1) {
        let is_break = matches!(text.get(before), Some(b'\n' | b'\r'));
        let is_within = is_break && {
            let above = before - usize::from(before > 0 && text.get(before - 1) == Some(&b'\r'));
            above > 0 && text.get(above - 1).copied().is_some_and(is_letter)
        };
        if !is_within && !text.get(before).copied().is_some_and(is_letter) {
            break;
        }
        start = before;
    }
    let mut end = at;
    while let Some(&byte) = text.get(end) {
        let is_within = is_letter(byte)
            || match text.get(end..) {
                Some([b'\r', b'\n', next, ..] | [b'\n', next, ..]) => is_letter(*next),
                _ => false,
            };
        if !is_within {
            break;
        }
        end += 1;
    }
    start..end
}

/// The letters of a run in the standard alphabet, without line breaks.
fn letters(text: &[u8], run: &Range<usize>) -> Decoded {
    let mut letters = Decoded::default();
    let mut start = run.start;
    let lines = text.get(run.clone()).unwrap_or_default();
    for line in lines.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
        let length = line.len() - usize::from(line.ends_with(b"\n") || line.ends_with(b"\r"));
        let standard: Zeroizing<Vec<u8>> = line
            .iter()
            .take(length)
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect::<Vec<u8>>()
            .into();
        letters.copy(&standard, start);
        start += line.len();
    }
    letters
}

fn is_letter(byte: u8) -> bool {
    LETTERS[usize::from(byte)]
}

const LETTERS: [bool; 256] = {
    let mut letters = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        letters[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        byte += 1;
    }
    letters
};

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    const PLAIN: &str = "The text that is wrapped; long enough to be seen, ÿ?>.";

    /// Whether `PLAIN` is seen in `text`, and what it came from.
    fn seen(text: &str) -> Option<String> {
        let mut found = None;
        decode(text.as_bytes(), &mut Budget::new(0), |plain, source, _| {
            if let Some(at) = memchr::memmem::find(plain, PLAIN.as_bytes()) {
                found = Some(text[source(&(at..at + PLAIN.len()))].to_owned());
            }
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn what_is_wrapped_is_seen_at_every_place_in_both_alphabets() {
        for wrapped in [
            BASE64_STANDARD.encode(PLAIN),
            BASE64_URL_SAFE_NO_PAD.encode(PLAIN),
        ] {
            let bare = wrapped.trim_end_matches('=');
            for before in 0..40 {
                let text = format!("{} {}{wrapped}", "x".repeat(before), "y".repeat(before % 7));
                assert_eq!(seen(&text).as_deref(), Some(bare), "{text}");
            }
        }
    }

    #[test]
    fn letters_behind_what_is_wrapped_do_not_hide_it() {
        let wrapped = BASE64_URL_SAFE_NO_PAD.encode(PLAIN);
        for more in 0..4 {
            let text = format!("{wrapped}{}", "z".repeat(more));
            assert_eq!(seen(&text).as_deref(), Some(&*wrapped), "{text}");
        }
    }

    #[test]
    fn a_short_first_line_is_joined_too() {
        let wrapped = BASE64_URL_SAFE_NO_PAD.encode(PLAIN);
        for length in 1..16 {
            let (first, second) = wrapped.split_at(length);
            for line_break in ["\n", "\r\n"] {
                for before in ["", "x ", "\n"] {
                    let lines = format!("{first}{line_break}{second}");
                    let text = format!("{before}{lines}");
                    assert_eq!(seen(&text).as_deref(), Some(&*lines), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn lines_are_joined() {
        let wrapped = BASE64_STANDARD.encode(PLAIN);
        let (first, second) = wrapped.split_at(49);
        for line_break in ["\n", "\r\n"] {
            let text = format!("\n{first}{line_break}{second}\nx y");
            let source = seen(&text).unwrap();
            assert_eq!(
                source.replace(line_break, ""),
                wrapped.trim_end_matches('=')
            );
        }
    }

    #[test]
    fn words_are_not_decoded() {
        let mut count = 0;
        let text = "Words of ordinary length, some_identifiers_too, and\n".repeat(40);
        decode(text.as_bytes(), &mut Budget::new(0), |_, _, _| {
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(count, 0);
    }
}

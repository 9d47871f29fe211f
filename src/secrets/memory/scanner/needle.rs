//! What to look for: a key, and the forms that a key takes on its way to an upstream.
//!
//! The forms are made once, in the process that scans; the scanned process never sees them.

use std::fmt;

use base64::engine::general_purpose;
use zeroize::Zeroizing;

use super::huffman;

/// The shortest key that can be looked for: below it, chance matches would be counted.
pub const SHORTEST_KEY: usize = 16;

/// How many bytes of a form make a fragment. For the Huffman code it is 12 bytes, which hold 16
/// characters of 6 bits, the most common length.
const RAW_FRAGMENT: usize = 16;
const BASE64_FRAGMENT: usize = 16;
const HUFFMAN_FRAGMENT: usize = 12;

/// The families of forms, counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detector {
    Raw,
    Base64,
    Huffman,
}

/// One form of a key.
pub(super) struct Form {
    pub(super) detector: Detector,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// The shortest part that counts.
    pub(super) fragment: usize,
}

/// A key to look for, in all its forms. `Debug` shows none of them.
pub struct Needle {
    pub(super) forms: Vec<Form>,
}

/// The text cannot be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only a key of at least {SHORTEST_KEY} printable ASCII characters can be looked for")]
pub struct UnusableNeedle;

impl Needle {
    /// Prepares the forms of `key`.
    ///
    /// # Errors
    /// [`UnusableNeedle`] if the key is short enough to match by chance, or could not stand in a
    /// header.
    pub fn new(key: &[u8]) -> Result<Self, UnusableNeedle> {
        let mut needle = Self::of_bytes(key)?;
        for offset in 0..8 {
            let code = huffman::encode_at(key, offset).ok_or(UnusableNeedle)?;
            needle.add(Detector::Huffman, HUFFMAN_FRAGMENT, code);
        }
        Ok(needle)
    }

    /// Prepares the forms of a key that is no text, such as the number that makes a private key.
    /// Without Huffman code: it never stands in a header.
    ///
    /// # Errors
    /// [`UnusableNeedle`] if it is short enough to match by chance.
    pub fn of_bytes(key: &[u8]) -> Result<Self, UnusableNeedle> {
        if key.len() < SHORTEST_KEY {
            return Err(UnusableNeedle);
        }
        let mut needle = Self { forms: Vec::new() };
        needle.add(Detector::Raw, RAW_FRAGMENT, key.to_vec());
        for phase in 0..3 {
            for engine in [
                &general_purpose::STANDARD_NO_PAD,
                &general_purpose::URL_SAFE_NO_PAD,
            ] {
                needle.add(
                    Detector::Base64,
                    BASE64_FRAGMENT,
                    base64_at(engine, key, phase),
                );
            }
        }
        Ok(needle)
    }

    /// Adds a form, unless it is there: most keys look the same in both base64 alphabets.
    fn add(&mut self, detector: Detector, fragment: usize, bytes: Vec<u8>) {
        let bytes = Zeroizing::new(bytes);
        if self.forms.iter().all(|form| form.bytes != bytes) {
            let fragment = fragment.min(bytes.len());
            self.forms.push(Form {
                detector,
                bytes,
                fragment,
            });
        }
    }
}

/// The characters that `key` alone determines when it is encoded behind `phase` other bytes.
fn base64_at(engine: &impl base64::Engine, key: &[u8], phase: usize) -> Vec<u8> {
    let mut text = Zeroizing::new(vec![0; phase]);
    text.extend_from_slice(key);
    let encoded = Zeroizing::new(engine.encode(&*text));
    let (first, end) = ((phase * 8).div_ceil(6), text.len() * 8 / 6);
    encoded
        .as_bytes()
        .get(first..end)
        .unwrap_or_default()
        .to_vec()
}

impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needle")
            .field("forms", &self.forms.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    #[test]
    fn a_key_in_each_base64_phase_holds_the_form_made_for_it() {
        let key = b"0123456789abcdef>>>???ghijklmnop";
        for phase in 0..3 {
            for engine in [&general_purpose::STANDARD, &general_purpose::URL_SAFE] {
                let around = [&b"xy"[..phase], key, b"zz"].concat();
                let form = String::from_utf8(base64_at(engine, key, phase)).unwrap();
                assert!(engine.encode(around).contains(&form), "phase {phase}");
                assert!(form.len() >= key.len() * 8 / 6 - 1, "phase {phase}");
            }
        }
    }

    #[test]
    fn a_short_or_unprintable_key_is_refused_and_none_is_shown() {
        assert_eq!(Needle::new(b"fifteen chars..").unwrap_err(), UnusableNeedle);
        assert_eq!(
            Needle::new(b"with a control\nbyte in it").unwrap_err(),
            UnusableNeedle
        );
        assert_eq!(Needle::of_bytes(&[0; 15]).unwrap_err(), UnusableNeedle);
        let needle = Needle::of_bytes(&[0, 200, 10, 13].repeat(8)).unwrap();
        let is_code = |form: &Form| form.detector == Detector::Huffman;
        assert!(!needle.forms.iter().any(is_code));
        let needle = Needle::new(b"sixteen chars...").unwrap();
        assert!(!format!("{needle:?}").contains("sixteen"));
    }
}

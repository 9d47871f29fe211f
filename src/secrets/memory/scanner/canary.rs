//! Canaries: keys that never existed before, so that each copy of one is a copy of ours.
//!
//! They are wholly random. A fixed prefix such as `sk-test-` would be found in the program's own
//! text, and a repeated one in the remains of an earlier run.

use uuid::Uuid;
use zeroize::Zeroizing;

/// A random key of letters and digits.
#[derive(Debug, Clone, Copy)]
pub struct Canary(());

impl Canary {
    /// `length` letters and digits from the operating system's randomness.
    #[must_use]
    pub fn random(length: usize) -> Zeroizing<String> {
        const ALPHABET: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut text = Zeroizing::new(String::with_capacity(length));
        while text.len() < length {
            // Bytes 6 and 8 of a random UUID hold its version and variant. Of the others, only
            // those below 4 × 62 are used, so that each character is equally likely.
            let random = Uuid::new_v4().into_bytes();
            let usable = random
                .iter()
                .enumerate()
                .filter(|(i, byte)| ![6, 8].contains(i) && **byte < 248);
            let wanted = length - text.len();
            text.extend(
                usable
                    .take(wanted)
                    .map(|(_, byte)| char::from(ALPHABET[usize::from(byte % 62)])),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_have_the_length_asked_for_and_differ() {
        let (a, b) = (Canary::random(64), Canary::random(64));
        assert_eq!(a.len(), 64);
        assert!(a.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(*a, *b);
        assert!(Canary::random(0).is_empty());
    }
}

//! What is written where something was redacted.
//!
//! Nothing here may give back more of a value than its strategy says, and each replacement stays as
//! it is when it is redacted again.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{mark, personal, settings::Strategy};

/// How much of the end `partial` keeps, and of how long a value.
const KEPT_AT_END: usize = 4;
const LONG_ENOUGH: usize = 12;

/// Writes replacements; holds the key of hashes and of characters that stand for others.
pub(super) struct Replacer {
    key: [u8; 32],
}

impl Replacer {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self { key }
    }

    /// Appends what stands for `value`, which `rule` found.
    pub(super) fn write(&self, strategy: Strategy, rule: &str, value: &str, out: &mut String) {
        match strategy {
            Strategy::Full => mark::write(rule, "", out),
            Strategy::Partial => mark::write(rule, &end(value), out),
            Strategy::Hash => mark::write(rule, &self.hash(value), out),
            Strategy::Truncate(kept) => {
                let kept = kept.min(value.chars().count() / 3);
                out.extend(value.chars().take(kept));
                mark::write(rule, "", out);
            }
            Strategy::Email => match value.split_once('@') {
                Some((local, domain)) if is_domain(domain) => {
                    out.extend(local.chars().take(1));
                    out.push_str("***@");
                    out.push_str(domain);
                }
                _ => mark::write(rule, "", out),
            },
            Strategy::TypePreserving => self.imitate(value, out),
        }
    }

    fn hash(&self, value: &str) -> String {
        let digest = self.digest(&[b"value", value.as_bytes()]);
        digest[..8].iter().fold(String::new(), |mut hex, byte| {
            hex.push_str(&format!("{byte:02x}"));
            hex
        })
    }

    /// Depends on the shape alone, so that what was imitated is imitated by itself.
    fn imitate(&self, value: &str, out: &mut String) {
        let shape: String = value.chars().map(shape).collect();
        let mut block = [0; 32];
        let mut number = 0_u64;
        let mut imitation: Vec<char> = Vec::with_capacity(shape.len());
        for (index, kind) in shape.chars().enumerate() {
            if index % block.len() == 0 {
                block = self.digest(&[b"shape", &number.to_le_bytes(), shape.as_bytes()]);
                number += 1;
            }
            let random = block[index % block.len()];
            imitation.push(match kind {
                'a' => char::from(b'a' + random % 26),
                'A' => char::from(b'A' + random % 26),
                '0' => char::from(b'0' + random % 10),
                other => other,
            });
        }
        let mut digits: Vec<u8> = imitation
            .iter()
            .filter_map(|c| c.to_digit(10))
            .filter_map(|digit| u8::try_from(digit).ok())
            .collect();
        // One in ten would pass for a payment card, and might be somebody's.
        if personal::passes_luhn(&digits)
            && let Some(last) = imitation.iter_mut().rfind(|c| c.is_ascii_digit())
            && let Some(digit) = digits.pop()
        {
            *last = char::from(b'0' + (digit + 1) % 10);
        }
        out.extend(imitation);
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let key = self.key.iter().copied().chain([0; 32]);
        let mut digest = Hmac::<Sha256>::new(&hmac::digest::Key::<Hmac<Sha256>>::from_iter(key));
        for part in parts {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize().into_bytes().into()
    }
}

fn end(value: &str) -> String {
    let length = value.chars().count();
    if length < LONG_ENOUGH {
        return String::new();
    }
    let kept = |c: char| match u8::try_from(c) {
        Ok(byte) if mark::is_kept(byte) => c,
        _ => '*',
    };
    let end = value.chars().skip(length - KEPT_AT_END).map(kept);
    std::iter::once('*').chain(end).collect()
}

fn is_domain(text: &str) -> bool {
    text.contains('.') && !text.contains(|c: char| c.is_whitespace() || "@:/'\"".contains(c))
}

fn shape(c: char) -> char {
    match c {
        c if c.is_ascii_uppercase() => 'A',
        c if c.is_ascii_digit() => '0',
        c if c.is_alphanumeric() => 'a',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(strategy: Strategy, value: &str) -> String {
        let mut out = String::new();
        Replacer::new().write(strategy, "rule", value, &mut out);
        out
    }

    #[test]
    fn each_strategy_keeps_what_it_says_and_no_more() {
        for (strategy, value, expected) in [
            (Strategy::Full, "0123456789abcd", "[redacted:rule]"),
            (Strategy::Partial, "0123456789abcd", "[redacted:rule:*abcd]"),
            (Strategy::Partial, "0123456789é] x", "[redacted:rule:****x]"),
            (Strategy::Partial, "0123456789a", "[redacted:rule]"),
            (
                Strategy::Truncate(4),
                "0123456789abcd",
                "0123[redacted:rule]",
            ),
            (Strategy::Truncate(4), "éàè45", "é[redacted:rule]"),
            (Strategy::Email, "anna@mail.example", "a***@mail.example"),
            (Strategy::Email, "no address", "[redacted:rule]"),
            (Strategy::Email, "a:b@c/key=1.2", "[redacted:rule]"),
        ] {
            assert_eq!(replaced(strategy, value), expected);
        }
    }

    #[test]
    fn a_hash_is_the_same_for_the_same_value_under_one_key_only() {
        let replacer = Replacer::new();
        let hash = |value: &str| {
            let mut out = String::new();
            replacer.write(Strategy::Hash, "rule", value, &mut out);
            out
        };
        assert_eq!(hash("value"), hash("value"));
        assert_ne!(hash("value"), hash("other"));
        assert_ne!(hash("value"), replaced(Strategy::Hash, "value"));
        assert_eq!(
            hash("value").len(),
            "[redacted:rule:0123456789abcdef]".len()
        );
    }

    #[test]
    fn an_imitation_keeps_the_shape_stays_itself_and_is_no_card() {
        let value = "4111-1111-1111-1111 Ab.é";
        let replacer = Replacer::new();
        let imitate = |value: &str| {
            let mut out = String::new();
            replacer.write(Strategy::TypePreserving, "rule", value, &mut out);
            out
        };
        let once = imitate(value);
        assert_eq!(once, imitate(&once));
        assert_ne!(once, value);
        let shapes = |text: &str| text.chars().map(shape).collect::<String>();
        assert_eq!(shapes(&once), shapes(value));
        // One in ten of as many would pass.
        for length in 2..120 {
            let card = imitate(&"1".repeat(length));
            assert_eq!(shapes(&card), "0".repeat(length));
            let digits: Vec<u8> = card.bytes().map(|byte| byte - b'0').collect();
            assert!(!personal::passes_luhn(&digits), "{card}");
        }
    }

    #[test]
    fn an_imitation_follows_from_the_key_and_does_not_repeat_itself() {
        let value = "a".repeat(64);
        let imitation = replaced(Strategy::TypePreserving, &value);
        assert_ne!(imitation, replaced(Strategy::TypePreserving, &value));
        let (first, second) = imitation.split_at(32);
        assert_ne!(first, second);
        let letters: std::collections::BTreeSet<char> = imitation.chars().collect();
        assert!(letters.len() > 8, "{imitation}");
    }
}

//! Keyed hashes of arguments: an auditor who has the key can search for a value, and nobody
//! without it can try values until one fits.
//!
//! Key and values are secrets. Both are worked on where they cannot be left behind: on the heap,
//! which is wiped when it is freed, in objects that are never moved, since a move leaves a copy
//! on the stack. That is why this is HMAC (RFC 2104) spelled out over SHA-256: the usual crate
//! makes its padded key on the stack.

use std::{collections::BTreeMap, io};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::hash::hexadecimal;

/// SHA-256's block, in bytes.
const BLOCK: usize = 64;
/// RFC 2104, section 2.
const INNER_PAD: u8 = 0x36;
const OUTER_PAD: u8 = 0x5c;

type Block = Box<Zeroizing<[u8; BLOCK]>>;

/// The HMAC-SHA-256 of each argument under `key`, by name, as [`hash_value`] makes it.
#[must_use]
pub fn hash_arguments(key: &[u8], arguments: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut hasher = Hasher::new(key);
    arguments
        .iter()
        .map(|(name, value)| (name.clone(), hasher.hash(value)))
        .collect()
}

/// The HMAC-SHA-256 of `value` under `key`, in hexadecimal digits: of a string's own bytes, so
/// that it can be reproduced with `openssl dgst -hmac`; of the canonical form (RFC 8785) of
/// everything else.
#[must_use]
pub fn hash_value(key: &[u8], value: &Value) -> String {
    Hasher::new(key).hash(value)
}

struct Hasher {
    inner: Block,
    outer: Block,
    digest: Box<Sha256>,
}

impl Hasher {
    fn new(key: &[u8]) -> Self {
        let mut digest = Box::new(Sha256::new());
        let mut long = Zeroizing::new([0; 32]);
        let key = if key.len() > BLOCK {
            digest.update(key);
            digest.finalize_into_reset((&mut *long).into());
            long.as_slice()
        } else {
            key
        };
        let padded = |pad: u8| {
            let mut block: Block = Box::new(Zeroizing::new([pad; BLOCK]));
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            block
        };
        Self {
            inner: padded(INNER_PAD),
            outer: padded(OUTER_PAD),
            digest,
        }
    }

    fn hash(&mut self, value: &Value) -> String {
        self.digest.update(self.inner.as_slice());
        match value {
            Value::String(text) => self.digest.update(text),
            other => {
                // What has no canonical form cannot be had from JSON, and this writer never fails.
                let written =
                    serde_json_canonicalizer::to_writer(other, &mut Feed(&mut self.digest));
                debug_assert!(written.is_ok());
            }
        }
        let mut within = Zeroizing::new([0; 32]);
        self.digest.finalize_into_reset((&mut *within).into());
        self.digest.update(self.outer.as_slice());
        self.digest.update(within.as_slice());
        hexadecimal(&self.digest.finalize_reset())
    }
}

/// Hashes what is written.
struct Feed<'a>(&'a mut Sha256);

impl io::Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_hmac_as_the_standard_has_it() {
        // RFC 4231, test cases 1 and 2.
        assert_eq!(
            hash_value(&[0x0b; 20], &json!("Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hash_value(b"Jefe", &json!("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        // Test case 6: a key longer than a block.
        assert_eq!(
            hash_value(
                &[0xaa; 131],
                &json!("Test Using Larger Than Block-Size Key - Hash Key First")
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_value_is_found_however_its_json_was_written() {
        let of = |text: &str| hash_value(b"key", &serde_json::from_str(text).unwrap());
        assert_eq!(
            of("{\"b\":1.0,\"a\":[1]}"),
            of("{ \"a\": [1e0], \"b\": 1 }")
        );
        assert_eq!(of("{\"a\":1}"), hash_value(b"key", &json!("{\"a\":1}")));
        assert_ne!(of("{\"a\":1}"), of("{\"a\":2}"));
    }

    #[test]
    fn each_argument_is_hashed_by_itself() {
        let arguments = json!({ "prompt": "hi", "n": 1, "list": ["hi"], "prompt2": "hi" });
        let hashes = hash_arguments(b"key", arguments.as_object().unwrap());
        assert_eq!(hashes.len(), 4);
        assert_eq!(hashes["prompt"], hash_value(b"key", &json!("hi")));
        assert_eq!(hashes["prompt"], hashes["prompt2"]);
        assert_eq!(hashes["list"], hash_value(b"key", &json!(["hi"])));
        assert_ne!(hashes["prompt"], hash_value(b"kez", &json!("hi")));
    }

    proptest! {
        #[test]
        fn it_agrees_with_another_implementation(
            key in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>(),
        ) {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(text.as_bytes());
            prop_assert_eq!(
                hash_value(&key, &Value::from(text)),
                hexadecimal(&mac.finalize().into_bytes())
            );
        }
    }
}

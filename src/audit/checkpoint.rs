//! Checkpoints: signed statements of how far a chain had come, in the forms of C2SP
//! (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), so that common tools can keep and check them.
//!
//! One thing differs from a transparency log: where such a log puts the root of a Merkle tree
//! (RFC 6962), this puts the head of the chain, which is the hash of record `size`. It proves the
//! same of the records up to there, that none was changed or left out, but only to somebody who
//! has them all; there are no short proofs.

use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Hash, hash::hexadecimal};

/// The type of an Ed25519 signature in a note: c2sp.org/signed-note, "Signature types".
const ED25519_TYPE: u8 = 1;
/// What a signature line begins with: an em dash and a space.
pub(super) const SIGNATURE_MARK: &str = "\u{2014} ";

/// A key does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the signing key is no Ed25519 key: it must be a PKCS#8 PEM, as `openssl genpkey -algorithm \
     ed25519` writes it, or a seed of 32 bytes in base64"
)]
pub struct InvalidSigningKey;

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// The note.
    pub note: String,
    /// The public key that verifies it, in the form that [`VerifierKey`] reads.
    pub verifier_key: String,
}

/// Signs that the chain called `origin` had `head` as the hash of record `sequence`. `key` is an
/// Ed25519 key: PKCS#8 in PEM or DER, or its seed, raw or in base64.
///
/// # Errors
/// [`InvalidSigningKey`].
pub fn sign(
    key: &[u8],
    origin: &str,
    sequence: u64,
    head: Hash,
) -> Result<SignedNote, InvalidSigningKey> {
    let pair = read_signing_key(key)?;
    let public = pair.public_key().as_ref();
    let id = key_id(origin, public);
    let text = format!(
        "{origin}\n{sequence}\n{}\n",
        BASE64_STANDARD.encode(head.as_bytes())
    );
    let signature = pair
        .try_sign(text.as_bytes())
        .map_err(|_| InvalidSigningKey)?;
    let signature = BASE64_STANDARD.encode([&id[..], signature.as_ref()].concat());
    let public = BASE64_STANDARD.encode([&[ED25519_TYPE], public].concat());
    Ok(SignedNote {
        note: format!("{text}\n{SIGNATURE_MARK}{origin} {signature}\n"),
        verifier_key: format!("{origin}+{}+{public}", hexadecimal(&id)),
    })
}

fn read_signing_key(key: &[u8]) -> Result<Ed25519KeyPair, InvalidSigningKey> {
    let decoded = decode_text(key);
    let key = decoded.as_ref().map_or(key, |decoded| decoded.as_slice());
    let pair = if key.len() == 32 {
        Ed25519KeyPair::from_seed_unchecked(key)
    } else {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(key)
    };
    pair.map_err(|_| InvalidSigningKey)
}

/// What a PEM or base64 text holds; `None`: it is neither.
fn decode_text(key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(key).ok()?.trim();
    let body = text
        .strip_prefix("-----BEGIN PRIVATE KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
        .unwrap_or(text);
    // Neither may grow: a buffer that grows leaves its old self behind.
    let mut lines = Zeroizing::new(Vec::with_capacity(body.len()));
    lines.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut decoded = Zeroizing::new(vec![0; lines.len()]);
    let length = BASE64_STANDARD.decode_slice(&*lines, &mut decoded).ok()?;
    decoded.truncate(length);
    Some(decoded)
}

/// The first four bytes of a hash over name, type and key: c2sp.org/signed-note.
fn key_id(name: &str, public: &[u8]) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519_TYPE])
        .chain_update(public)
        .finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
    [a, b, c, d]
}

/// A public key that verifies checkpoints: `name+id+key`, the id in hexadecimal digits and the key
/// in base64 behind the byte of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    public: Vec<u8>,
}

/// The text is no verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no verifier key of an Ed25519 signature: expected `name+hash+base64`, as the log \
     shows it when checkpoints are signed"
)]
pub struct InvalidVerifierKey;

impl FromStr for VerifierKey {
    type Err = InvalidVerifierKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidVerifierKey);
        };
        let key = BASE64_STANDARD
            .decode(key)
            .map_err(|_| InvalidVerifierKey)?;
        let Some((&ED25519_TYPE, public)) = key.split_first() else {
            return Err(InvalidVerifierKey);
        };
        let expected = key_id(name, public);
        if name.is_empty() || public.len() != 32 || id != hexadecimal(&expected) {
            return Err(InvalidVerifierKey);
        }
        Ok(Self {
            name: name.to_owned(),
            id: expected,
            public: public.to_vec(),
        })
    }
}

/// What a checkpoint states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The sequence of a record.
    pub sequence: u64,
    /// The hash of that record.
    pub head: Hash,
}

/// Why a note proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNote {
    /// It does not have the form of a checkpoint.
    #[error("is no checkpoint")]
    Form,
    /// It is of another origin, or signed by another key.
    #[error("is not signed by this key")]
    OtherKey,
    /// It is signed in this key's name, and the signature does not fit.
    #[error("has a wrong signature")]
    WrongSignature,
}

/// Reads `note`, one signed checkpoint, if `key` vouches for it.
///
/// # Errors
/// [`InvalidNote`].
pub fn verify(note: &str, key: &VerifierKey) -> Result<Checkpoint, InvalidNote> {
    let (text, signatures) = note.rsplit_once("\n\n").ok_or(InvalidNote::Form)?;
    // The signed text has the end of its last line.
    let text = note.get(..=text.len()).ok_or(InvalidNote::Form)?;
    let mut lines = text.lines();
    let (Some(origin), Some(size), Some(head), None) =
        (lines.next(), lines.next(), lines.next(), lines.next())
    else {
        return Err(InvalidNote::Form);
    };
    let sequence: u64 = size.parse().map_err(|_| InvalidNote::Form)?;
    let head = BASE64_STANDARD
        .decode(head)
        .ok()
        .and_then(|head| head.try_into().ok());
    let head = head.map(Hash::from_bytes).ok_or(InvalidNote::Form)?;
    if sequence.to_string() != size || note.contains(|c: char| c.is_control() && c != '\n') {
        return Err(InvalidNote::Form);
    }
    let mut is_vouched_for = false;
    for line in signatures
        .strip_suffix('\n')
        .ok_or(InvalidNote::Form)?
        .split('\n')
    {
        let signature = line
            .strip_prefix(SIGNATURE_MARK)
            .and_then(|line| line.split_once(' '));
        let (name, signature) = signature.ok_or(InvalidNote::Form)?;
        let signature = BASE64_STANDARD
            .decode(signature)
            .map_err(|_| InvalidNote::Form)?;
        let (id, signature) = signature.split_at_checked(4).ok_or(InvalidNote::Form)?;
        // Other keys may have signed too, such as a witness's.
        if name != key.name || id != key.id {
            continue;
        }
        UnparsedPublicKey::new(&ED25519, &key.public)
            .verify(text.as_bytes(), signature)
            .map_err(|_| InvalidNote::WrongSignature)?;
        is_vouched_for = true;
    }
    if !is_vouched_for || origin != key.name {
        return Err(InvalidNote::OtherKey);
    }
    Ok(Checkpoint { sequence, head })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "keyward.example/audit";
    // RFC 8410, section 10.3.
    const PKCS8: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    const PUBLIC: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    fn signed(key: &[u8]) -> SignedNote {
        sign(key, ORIGIN, 42, Hash::of(b"head")).unwrap()
    }

    fn key_of(note: &SignedNote) -> VerifierKey {
        note.verifier_key.parse().unwrap()
    }

    #[test]
    fn a_key_is_read_in_each_form_that_it_is_kept_in() {
        let der = BASE64_STANDARD.decode(PKCS8).unwrap();
        let pem = ["BEGIN", "END"].map(|word| format!("-----{word} PRIVATE KEY-----"));
        let pem = format!("{}\n{PKCS8}\n{}\n", pem[0], pem[1]);
        let seed = &der[16..];
        let text = BASE64_STANDARD.encode(seed) + "\n";
        let notes = [&der, pem.as_bytes(), seed, text.as_bytes()].map(signed);
        assert!(notes.iter().all(|note| *note == notes[0]));
        let public = BASE64_STANDARD.decode(PUBLIC).unwrap();
        assert_eq!(key_of(&notes[0]).public, public[12..]);
        for wrong in [
            &b""[..],
            b"password",
            &der[..40],
            &pem.as_bytes()[..60],
            &[7; 31],
        ] {
            assert_eq!(sign(wrong, ORIGIN, 1, Hash::ZERO), Err(InvalidSigningKey));
        }
    }

    #[test]
    fn a_note_has_the_form_of_a_checkpoint() {
        let note = signed(&[7; 32]).note;
        let lines: Vec<&str> = note.split('\n').collect();
        let head = BASE64_STANDARD.encode(Hash::of(b"head").as_bytes());
        assert_eq!(lines[..4], [ORIGIN, "42", &head, ""]);
        assert!(lines[4].starts_with("\u{2014} keyward.example/audit "));
        assert_eq!(lines[5..], [""]);
        let signature = lines[4].rsplit(' ').next().unwrap();
        assert_eq!(BASE64_STANDARD.decode(signature).unwrap().len(), 4 + 64);
    }

    #[test]
    fn verifier_keys_of_others_are_understood() {
        // Published: the key of the Go checksum database.
        let go = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        assert_eq!(go.parse::<VerifierKey>().unwrap().name, "sum.golang.org");
        for wrong in [
            "",
            "sum.golang.org",
            "sum.golang.org+033de0ae",
            "sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.com+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.org+033de0ae+As4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.org+033de0ae+Ac4zctda0e5eza",
        ] {
            assert_eq!(
                wrong.parse::<VerifierKey>(),
                Err(InvalidVerifierKey),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_was_signed_is_vouched_for_and_nothing_else() {
        let signed = signed(&[7; 32]);
        let key = key_of(&signed);
        let stated = Checkpoint {
            sequence: 42,
            head: Hash::of(b"head"),
        };
        assert_eq!(verify(&signed.note, &key), Ok(stated));
        // A witness may sign too.
        let witness = sign(&[8; 32], "witness.example", 1, Hash::ZERO)
            .unwrap()
            .note;
        let witness = witness.split_once("\n\n").unwrap().1;
        for both in [
            format!("{}{witness}", signed.note),
            signed.note.replacen("\n\n", &format!("\n\n{witness}"), 1),
        ] {
            assert_eq!(verify(&both, &key), Ok(stated));
        }
        let other = key_of(&sign(&[8; 32], ORIGIN, 1, Hash::ZERO).unwrap());
        assert_eq!(verify(&signed.note, &other), Err(InvalidNote::OtherKey));
        let altered = signed.note.replacen("42", "43", 1);
        assert_eq!(verify(&altered, &key), Err(InvalidNote::WrongSignature));
        for formless in [
            signed.note.replacen("42", "042", 1),
            signed.note.replacen("42", "+42", 1),
            signed.note.replacen("\n\n", "\n", 1),
            signed.note.replacen("42", "42\n42", 1),
            signed.note.trim_end().to_owned(),
            signed.note.replacen('\u{2014}', "-", 1),
            signed.note.replacen("42", "42\r", 1),
            String::new(),
        ] {
            assert_eq!(
                verify(&formless, &key),
                Err(InvalidNote::Form),
                "{formless}"
            );
        }
    }

    #[test]
    fn any_flipped_bit_of_a_note_is_noticed() {
        let signed = signed(&[7; 32]);
        let key = key_of(&signed);
        for bit in 0..signed.note.len() * 8 {
            let mut bytes = signed.note.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(note) = String::from_utf8(bytes) {
                assert!(verify(&note, &key).is_err(), "{bit}");
            }
        }
    }
}

//! HPACK's Huffman code (RFC 7541, appendix B) for printable ASCII.
//!
//! A key in an HTTP/2 header lies in memory in this code, at any bit offset, where no byte of the
//! key shows. The table is here because the scanner must not depend on the HTTP stack that it
//! looks at. It encodes; it never decodes.

/// The first character of the table.
const FIRST: u8 = b' ';

/// Code and length in bits, for each character from space to tilde.
#[rustfmt::skip]
const TABLE: [(u32, u8); 95] = [
    (0x14, 6), (0x3f8, 10), (0x3f9, 10), (0xffa, 12), (0x1ff9, 13), (0x15, 6),
    (0xf8, 8), (0x7fa, 11), (0x3fa, 10), (0x3fb, 10), (0xf9, 8), (0x7fb, 11),
    (0xfa, 8), (0x16, 6), (0x17, 6), (0x18, 6), (0x0, 5), (0x1, 5),
    (0x2, 5), (0x19, 6), (0x1a, 6), (0x1b, 6), (0x1c, 6), (0x1d, 6),
    (0x1e, 6), (0x1f, 6), (0x5c, 7), (0xfb, 8), (0x7ffc, 15), (0x20, 6),
    (0xffb, 12), (0x3fc, 10), (0x1ffa, 13), (0x21, 6), (0x5d, 7), (0x5e, 7),
    (0x5f, 7), (0x60, 7), (0x61, 7), (0x62, 7), (0x63, 7), (0x64, 7),
    (0x65, 7), (0x66, 7), (0x67, 7), (0x68, 7), (0x69, 7), (0x6a, 7),
    (0x6b, 7), (0x6c, 7), (0x6d, 7), (0x6e, 7), (0x6f, 7), (0x70, 7),
    (0x71, 7), (0x72, 7), (0xfc, 8), (0x73, 7), (0xfd, 8), (0x1ffb, 13),
    (0x7fff0, 19), (0x1ffc, 13), (0x3ffc, 14), (0x22, 6), (0x7ffd, 15), (0x3, 5),
    (0x23, 6), (0x4, 5), (0x24, 6), (0x5, 5), (0x25, 6), (0x26, 6),
    (0x27, 6), (0x6, 5), (0x74, 7), (0x75, 7), (0x28, 6), (0x29, 6),
    (0x2a, 6), (0x7, 5), (0x2b, 6), (0x76, 7), (0x2c, 6), (0x8, 5),
    (0x9, 5), (0x2d, 6), (0x77, 7), (0x78, 7), (0x79, 7), (0x7a, 7),
    (0x7b, 7), (0x7ffe, 15), (0x7fc, 11), (0x3ffd, 14), (0x1ffd, 13),
];

/// The code of `text` as bits, or `None` if a byte is not printable ASCII.
fn bits(text: &[u8]) -> Option<Vec<bool>> {
    let mut bits = Vec::with_capacity(text.len() * 8);
    for byte in text {
        let (code, length) = TABLE.get(usize::from(byte.checked_sub(FIRST)?))?;
        bits.extend((0..*length).rev().map(|bit| code >> bit & 1 == 1));
    }
    Some(bits)
}

/// The bytes that are wholly determined by `text` when its code begins `offset` bits into a byte.
pub(super) fn encode_at(text: &[u8], offset: usize) -> Option<Vec<u8>> {
    let bits = bits(text)?;
    let inside = bits.get((8 - offset) % 8..)?;
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    Some(inside.chunks_exact(8).map(byte).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 7541, appendices C.4 and C.6, without the padded last byte.
    #[test]
    fn the_examples_of_the_rfc_come_out_as_printed_there() {
        for (text, code) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-key", "25a849e95ba97d7f"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("private", "aec3771a4b"),
            (
                "Mon, 21 Oct 2013 20:13:21 GMT",
                "d07abe941054d444a8200595040b8166e082a62d1bff",
            ),
            (
                "https://www.example.com",
                "9d29ad171863c78f0b97c8e9ae82ae43d3",
            ),
            ("gzip", "9bd9ab"),
            (
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            ),
        ] {
            let encoded = encode_at(text.as_bytes(), 0).unwrap();
            let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(
                code.starts_with(&hex) && code.len() - hex.len() <= 2,
                "{text}: {hex}"
            );
        }
    }

    #[test]
    fn no_code_begins_another() {
        for (i, (a, a_length)) in TABLE.iter().enumerate() {
            for (b, b_length) in &TABLE[i + 1..] {
                let shorter = a_length.min(b_length);
                assert_ne!(a >> (a_length - shorter), b >> (b_length - shorter));
            }
        }
    }

    #[test]
    fn text_that_no_header_carries_has_no_code() {
        assert_eq!(encode_at(b"a\nb", 0), None);
        assert_eq!(encode_at("ä".as_bytes(), 0), None);
    }
}

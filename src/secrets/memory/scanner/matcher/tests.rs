//! Each detector finds what is planted for it, at every alignment and across every boundary, and
//! nothing else.

use std::slice;

use base64::{Engine as _, engine::general_purpose};
use proptest::prelude::*;

use super::{
    super::{Canary, huffman},
    *,
};

/// Where the pool is, in these tests.
const POOL: Range<u64> = 0x100..0x200;

/// Feeds `memory` in pieces of `piece` bytes, outside the pool.
fn scan(key: &str, memory: &[u8], piece: usize) -> [Findings; 2] {
    let needles = [Needle::new(key.as_bytes()).unwrap()];
    let mut matcher = Matcher::new(&needles);
    for (index, bytes) in memory.chunks(piece).enumerate() {
        matcher.feed(0x1000 + (index * piece) as u64, bytes);
    }
    matcher.finish(slice::from_ref(&POOL))[0]
}

fn outside(key: &str, memory: &[u8]) -> Findings {
    scan(key, memory, usize::MAX)[1]
}

/// Random bytes, so that zeros around a key do not hide a mistake in its bounds.
fn noise(length: usize) -> Vec<u8> {
    Canary::random(length)
        .bytes()
        .map(|byte| byte.wrapping_mul(167) | 0x80)
        .collect()
}

#[test]
fn a_whole_key_is_one_copy_and_one_fragment_at_every_alignment() {
    let key = Canary::random(64);
    for offset in 0..40 {
        let memory = [&noise(offset)[..], key.as_bytes(), &noise(50)].concat();
        let found = outside(&key, &memory);
        assert_eq!(
            found,
            Findings {
                full_copies: 1,
                largest_fragment_count: 1,
                ..Findings::default()
            },
            "offset {offset}"
        );
    }
}

#[test]
fn every_window_of_sixteen_bytes_is_found_and_fifteen_bytes_are_not() {
    let key = Canary::random(64);
    for first in 0..=48 {
        let memory = [
            &noise(first + 7)[..],
            &key.as_bytes()[first..first + 16],
            &noise(33),
        ]
        .concat();
        let found = outside(&key, &memory);
        assert_eq!(
            (found.full_copies, found.largest_fragment_count),
            (0, 1),
            "window {first}"
        );
        let memory = [
            &noise(first)[..],
            &key.as_bytes()[first..first + 15],
            &noise(33),
        ]
        .concat();
        assert!(outside(&key, &memory).is_nothing(), "window {first}");
    }
}

#[test]
fn the_most_frequent_fragment_is_counted() {
    let key = Canary::random(64);
    let bytes = key.as_bytes();
    let memory = [
        bytes,
        &noise(9),
        &bytes[10..40],
        &noise(9),
        &bytes[20..36],
        &noise(9),
        &bytes[44..],
    ]
    .concat();
    let found = outside(&key, &memory);
    assert_eq!((found.full_copies, found.largest_fragment_count), (1, 3));
}

#[test]
fn base64_is_found_in_three_phases_and_both_alphabets() {
    let key = "~~~???>>>0123456789abcdef~~~???>>>ghijklmnopqrst";
    for phase in 0..3 {
        for engine in [&general_purpose::STANDARD, &general_purpose::URL_SAFE] {
            let text = engine.encode([&b"u:"[..phase], key.as_bytes(), b"!"].concat());
            let memory = [&noise(11)[..], text.as_bytes(), &noise(11)].concat();
            assert_eq!(
                outside(key, &memory),
                Findings {
                    base64: 1,
                    ..Findings::default()
                },
                "phase {phase}"
            );
            every_fragment_is_found(key, &text.as_bytes()[4..64], 16, |found| found.base64);
        }
    }
}

#[test]
fn huffman_code_is_found_at_every_bit_offset() {
    let key = Canary::random(64);
    // `0` has a code of 5 bits, so these prefixes end at each of the eight bit offsets.
    for zeros in 0..8 {
        let header = format!("{}{}!", "0".repeat(zeros), *key);
        let code = huffman::encode_at(header.as_bytes(), 0).unwrap();
        let memory = [&noise(13)[..], &code, &noise(13)].concat();
        assert_eq!(
            outside(&key, &memory),
            Findings {
                huffman: 1,
                ..Findings::default()
            },
            "{zeros} zeros"
        );
        every_fragment_is_found(&key, &code[6..36], 12, |found| found.huffman);
    }
}

/// Cuts fragments of `length` bytes out of `text`, at every place, and puts each at every
/// alignment.
fn every_fragment_is_found(key: &str, text: &[u8], length: usize, count: fn(Findings) -> usize) {
    for fragment in text.windows(length) {
        for offset in 0..length {
            let memory = [&noise(offset)[..], fragment, &noise(20)].concat();
            assert_eq!(count(outside(key, &memory)), 1, "offset {offset}");
        }
    }
}

#[test]
fn the_pool_is_told_from_the_rest() {
    let key = Canary::random(64);
    let needles = [
        Needle::new(key.as_bytes()).unwrap(),
        Needle::new(&noise_key()).unwrap(),
    ];
    let mut matcher = Matcher::new(&needles);
    matcher.feed(0x100, key.as_bytes());
    matcher.feed(0x200, key.as_bytes());
    matcher.feed(0x900, key.as_bytes());
    let found = matcher.finish(slice::from_ref(&POOL));
    assert_eq!((found[0][0].full_copies, found[0][1].full_copies), (1, 2));
    assert!(found[1].iter().all(Findings::is_nothing));
}

fn noise_key() -> Vec<u8> {
    Canary::random(64).as_bytes().to_vec()
}

#[test]
fn a_gap_between_addresses_is_no_copy() {
    let key = Canary::random(64);
    let needles = [Needle::new(key.as_bytes()).unwrap()];
    let mut matcher = Matcher::new(&needles);
    matcher.feed(0x1000, &key.as_bytes()[..32]);
    matcher.feed(0x5000, &key.as_bytes()[32..]);
    let found = matcher.finish(&[]);
    assert_eq!(
        (found[0][1].full_copies, found[0][1].largest_fragment_count),
        (0, 1)
    );
}

proptest! {
    #[test]
    fn the_count_does_not_depend_on_how_memory_is_cut(
        piece in 1_usize..400, gaps in prop::collection::vec(0_usize..200, 1..6)
    ) {
        let key = Canary::random(48);
        let mut memory = Vec::new();
        for gap in &gaps {
            memory.extend(noise(*gap + 1));
            memory.extend_from_slice(key.as_bytes());
        }
        let found = scan(&key, &memory, piece)[1];
        prop_assert_eq!((found.full_copies, found.largest_fragment_count), (gaps.len(), gaps.len()));
    }
}

//! The scan against a search that reads at every place.

use proptest::prelude::*;

use super::*;
use crate::secrets::live::{
    fingerprint::Fingerprints,
    group::{Found, Group},
    member::Shape,
    scan::hits,
};

/// What is found where every place is read, up to the first that is undecided, and that.
fn read_everywhere(group: &Group, text: &str, open: bool) -> (Vec<bool>, usize) {
    let mut covered = vec![false; text.len()];
    for place in 0..text.len() {
        match group.find(&text.as_bytes()[place..], open) {
            Found::None => {}
            Found::Of(length) => covered[place..place + length].fill(true),
            Found::Undecided => return (covered, place),
        }
    }
    (covered, text.len())
}

fn scanned(group: &Group, text: &str, open: bool) -> (Vec<bool>, usize) {
    let mut found = Vec::new();
    let known = hits(&[group], text, open, &mut found);
    let mut covered = vec![false; text.len()];
    for hit in found {
        covered[hit].fill(true);
    }
    (covered, known)
}

/// A part of the text: of a key, escaped or not, or something that looks like it.
fn part() -> impl Strategy<Value = (usize, usize, usize, Vec<u8>)> {
    (
        0..4_usize,
        0..60_usize,
        0..40_usize,
        prop::collection::vec(0..16_u8, 40),
    )
}

fn spelt(key: &str, (kind, from, length, how): &(usize, usize, usize, Vec<u8>)) -> String {
    let key: Vec<_> = key.bytes().cycle().skip(*from).take(*length).collect();
    let escaped = |bytes: &[u8]| -> String {
        let pairs = bytes.iter().zip(how);
        pairs
            .map(|(byte, how)| match how {
                0 => format!("%{byte:02x}"),
                1 => format!("\\u{byte:04X}"),
                2 if b"/\\\"".contains(byte) => format!("\\{}", char::from(*byte)),
                _ => char::from(*byte).into(),
            })
            .collect()
    };
    match kind {
        0 => escaped(&key),
        1 => escaped(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &key).as_bytes()),
        2 => escaped(
            key.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .as_bytes(),
        ),
        _ => how
            .iter()
            .take(length % 9)
            .map(|how| b"%\\u04a/ "[usize::from(how % 8)] as char)
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_scan_finds_what_reading_at_every_place_finds(
        keys in prop::collection::vec("[!-~]{4,40}|[%\\\\u0a4/]{4,40}|[0-9a-f]{4,40}", 1..4),
        parts in prop::collection::vec(part(), 1..8),
        // One byte more or less makes the places of the stride others.
        shift in "[x%]{0,8}",
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        for (shape, range) in [(Shape::TINY, 4..8), (Shape::SHORT, 8..16), (Shape::LONG, 16..64)] {
            let mut group = Group::new(shape, Fingerprints::new());
            for (owner, key) in keys.iter().enumerate() {
                // Made longer or shorter, so that each is of each group once.
                let key = key.repeat(16);
                let key = &key[..range.start + key.len() % (range.end - range.start)];
                group = group.with(key.as_bytes(), owner as u32, 0, &[]).0;
            }
            let pairs = keys.iter().cycle().zip(&parts);
            let text: String = pairs.map(|(key, part)| spelt(key, part)).collect();
            let text = shift.clone() + &text;
            for open in [false, true] {
                let (expected, known) = read_everywhere(&group, &text, open);
                let (covered, undecided) = scanned(&group, &text, open);
                // Of a place that only looks like something known, a scan may know more.
                prop_assert!(undecided >= known, "{:?} in {:?}", keys, text);
                prop_assert_eq!(&covered[..known], &expected[..known], "{:?} in {:?}", keys, text);
            }
            let key = &keys[0][..keys[0].len().min(range.start + 8)];
            let filter = || Filter::of_key(key.as_bytes());
            let whole = filtered(filter(), [&*text]);
            let streamed = filtered(filter(), cut(&text, &cuts));
            prop_assert_eq!(streamed, whole, "{} in {:?}", key, text);
        }
    }
}

//! Text that comes in pieces.

use proptest::prelude::*;

use super::{forms::forms, *};

/// The longest that a piece of a key can be written: 32 hexadecimal digits, each as `\u0030`.
const LONGEST: usize = 32 * 6;

#[test]
fn a_stream_is_redacted_alike_at_every_split() {
    let live = knowing([KEY]);
    for (name, form) in forms(KEY, "a", "zz") {
        let text = format!("Ünder: <{form}> and so on.");
        let whole = live.redact(&text);
        for (split, _) in text.char_indices() {
            let parts = [&text[..split], &text[split..]];
            assert_eq!(
                filtered(live.stream(), parts),
                whole,
                "{name} split at {split}"
            );
        }
        let (mut filter, mut out) = (live.stream(), String::new());
        for character in text.chars() {
            filter.push(character.encode_utf8(&mut [0; 4]), &mut out);
            assert!(filter.held() < LONGEST, "{name}");
        }
        filter.finish(&mut out);
        assert_eq!(out, whole, "{name} by character");
    }
}

#[test]
fn of_ordinary_text_hardly_anything_is_held() {
    let (mut filter, mut out) = (knowing([KEY]).stream(), String::new());
    let text = "An answer, word for word; and none of them is the key of a door or of a vendor. ";
    let words = text.split_inclusive(' ').cycle().take(200);
    let mut held: Vec<_> = words
        .map(|word| {
            filter.push(word, &mut out);
            filter.held()
        })
        .collect();
    held.sort_unstable();
    // By chance, what is ordinary may look for a moment like something known.
    assert!(held[150] < 8 && held[199] < LONGEST, "{held:?}");
    filter.finish(&mut out);
    assert!(text.repeat(20).starts_with(&out));
}

#[test]
fn a_key_that_comes_to_be_known_during_a_stream_is_redacted_in_the_rest() {
    let live = knowing([]);
    let (mut filter, mut out) = (live.stream(), String::new());
    filter.push(KEY, &mut out);
    live.remember(mark(KEY.as_bytes()), KEY.as_bytes());
    filter.push(" and ", &mut out);
    filter.push(&format!("{KEY}."), &mut out);
    filter.finish(&mut out);
    assert_eq!(out, format!("{KEY} and [redacted]."));
}

#[test]
fn a_filter_of_no_key_holds_nothing() {
    let (mut filter, mut out) = (Filter::default(), String::new());
    filter.push(KEY, &mut out);
    assert_eq!(out, KEY);
    assert!(!filter.holds(KEY));
    assert!(Filter::of_key(KEY.as_bytes()).holds(&format!("id-{KEY}")));
    assert!(!Filter::of_key(KEY.as_bytes()).holds(&format!("id-{}", &KEY[..15])));
}

proptest! {
    #[test]
    fn text_without_a_key_passes_unchanged(
        key in "[!-~]{16,80}",
        texts in prop::collection::vec("\\PC{0,60}|[a-z%\\\\u0-9]{0,60}", 0..8),
    ) {
        let text = texts.concat();
        let live = knowing([&*key]);
        prop_assume!(!text.contains(&key[..4]));
        prop_assert_eq!(live.redact(&text), &*text);
        let (mut filter, mut out) = (live.stream(), String::new());
        for piece in &texts {
            filter.push(piece, &mut out);
            prop_assert!(filter.held() < LONGEST);
        }
        filter.finish(&mut out);
        prop_assert_eq!(out, text);
    }
}

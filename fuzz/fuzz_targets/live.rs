//! The filter of answers: a key that comes in any pieces leaves in none, and a text without it is
//! not changed.
//!
//! The first two bytes say where the key stands, and how long the pieces are.

#![no_main]

use keyward::secrets::live::Filter;
use libfuzzer_sys::fuzz_target;

const KEY: &str = "sk-proj-CanaryQ7xZ41vW90kLm2Np8Rt5YbEd";

fn filtered(text: &str, piece: usize) -> String {
    let mut filter = Filter::of_key(KEY.as_bytes());
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.ceil_char_boundary(piece.min(rest.len()));
        let (next, behind) = rest.split_at(end);
        filter.push(next, &mut out);
        rest = behind;
    }
    filter.finish(&mut out);
    out
}

fuzz_target!(|data: (u8, u8, &str)| {
    let (place, piece, text) = data;
    let piece = usize::from(piece).max(1);
    let place = text.floor_char_boundary(usize::from(place));
    let with_key = format!("{}{KEY}{}", &text[..place], &text[place..]);
    assert!(!filtered(&with_key, piece).contains(KEY), "the key leaves");
    // A piece of it may stand in the text by chance only where the fuzzer copied it.
    let holds_piece = KEY.as_bytes().windows(4).any(|part| {
        text.as_bytes()
            .windows(4)
            .any(|there| there.eq_ignore_ascii_case(part))
    });
    let may_be_encoded = text.len() >= 20;
    if !holds_piece && !may_be_encoded {
        assert_eq!(filtered(text, piece), text);
    }
});

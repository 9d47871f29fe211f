//! What a search costs, and what it must not keep.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

/// How many characters, fingerprints and places are looked at, for each byte of `text`.
fn work_per_byte(live: &Arc<LiveSecrets>, text: &str) -> f64 {
    let before = live.work();
    let slices = text.as_bytes().chunks(8192);
    filtered(
        live.stream(),
        slices.map(|slice| str::from_utf8(slice).unwrap()),
    );
    (live.work() - before) as f64 / text.len() as f64
}

#[test]
fn the_work_for_a_byte_of_text_is_bounded_and_does_not_grow_with_the_keys() {
    let long = varied(4096, 1);
    let many: Vec<_> = (0..100).map(|number| varied(64, 1000 + number)).collect();
    let all = || many.iter().map(String::as_str).chain([long.as_str()]);
    let of = |length: usize, part: &str| part.repeat(length / part.len());
    let innocent = "An innocent text, in many more words than a key has.";
    for live in [knowing([KEY]), knowing([&*long]), knowing(all())] {
        for text in [innocent, &STANDARD.encode(innocent), "a"] {
            let work = work_per_byte(&live, &of(1 << 18, text));
            assert!(work <= 1.0, "{work}");
        }
    }
    // Written to meet the key again and again, and to fail it as late as can be.
    let unicode = |text: &str| {
        text.bytes()
            .map(|b| format!("\\u{b:04x}"))
            .collect::<String>()
    };
    let percent = |text: &str| {
        text.bytes()
            .map(|b| format!("%{b:02X}"))
            .collect::<String>()
    };
    let encoded = STANDARD.encode(&long);
    let live = knowing(all());
    for (name, part) in [
        ("first byte", &long[..1]),
        ("gram", &long[..8]),
        ("nearly a piece", &long[..15]),
        ("piece", &long[..16]),
        ("most of the key", &long[..4000]),
        ("the key", &long),
        ("nearly a piece in base64", &encoded[..19]),
        ("the key in base64", &encoded),
        ("percent, nearly a piece", &percent(&long[..15])),
        ("the key, percent", &percent(&long)),
        ("nearly a piece in escapes", &unicode(&long[..15])),
        ("the key in escapes", &unicode(&long)),
        ("both", &format!("%{}\\{}", &long[..2], &long[..13])),
        ("nothing but escapes", "%41\\u0042"),
        ("nearly escapes", "%4%%\\\\u00\\"),
    ] {
        let work = work_per_byte(&live, &of(1 << 16, part));
        assert!(work <= 120.0, "{name}: {work}");
    }
}

#[test]
fn tables_hold_no_part_of_a_key_in_any_form() {
    let long = varied(4096, 1);
    let live = knowing([KEY, &long, "short-key-1"]);
    let forms = [
        long.clone(),
        long.to_ascii_lowercase(),
        long.bytes().map(|byte| char::from(byte | 0x20)).collect(),
        STANDARD.encode(&long),
    ];
    let words = live.words();
    assert!(words.len() > 10_000);
    for form in forms {
        let mut parts: Vec<_> = form.as_bytes().windows(8).collect();
        parts.sort_unstable();
        for word in &words {
            for bytes in [word.to_le_bytes(), word.to_be_bytes()] {
                assert!(parts.binary_search(&&bytes[..]).is_err());
            }
        }
    }
}

#[test]
fn nothing_that_can_be_printed_says_anything_of_a_key() {
    let live = knowing([KEY]);
    assert_eq!(format!("{live:?}"), "LiveSecrets { .. }");
    assert_eq!(format!("{:?}", live.stream()), "Filter { .. }");
}

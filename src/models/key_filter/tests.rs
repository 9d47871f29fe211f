//! The filter in every form of a key, at every split.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;

use super::*;

const KEY: &str = "sk-proj-T3BlbkFJ/abc+DEF_0123456789\"xyz%q";

fn filter(key: &str) -> KeyFilter {
    KeyFilter::with(Index::of(key.as_bytes()))
}

/// Filters `pieces` as a stream of them.
fn filtered<'a>(key: &str, pieces: impl IntoIterator<Item = &'a str>) -> String {
    let (mut filter, mut out) = (filter(key), String::new());
    for piece in pieces {
        filter.push(piece, &mut out);
    }
    filter.finish(&mut out);
    out
}

fn percent(key: &str, upper: bool) -> String {
    key.bytes()
        .map(|b| {
            if upper {
                format!("%{b:02X}")
            } else {
                format!("%{b:02x}")
            }
        })
        .collect()
}

/// Every form in which a key may be written, by name.
fn forms(key: &str) -> Vec<(&'static str, String)> {
    let json = serde_json::to_string(key).unwrap();
    let mut forms = vec![
        ("raw", key.to_owned()),
        ("percent, upper", percent(key, true)),
        ("percent, lower", percent(key, false)),
        (
            "percent, reserved only",
            key.replace('%', "%25").replace(['/'], "%2F"),
        ),
        ("json", json[1..json.len() - 1].to_owned()),
        (
            "json, slashes",
            key.replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('/', "\\/"),
        ),
        (
            "json, all",
            key.bytes().map(|b| format!("\\u{b:04x}")).collect(),
        ),
        (
            "json, all, upper",
            key.bytes().map(|b| format!("\\u{b:04X}")).collect(),
        ),
    ];
    for before in ["", "a", "ab"] {
        let framed = format!("{before}{key}");
        forms.push(("base64", STANDARD.encode(&framed)));
        forms.push(("base64, url", URL_SAFE_NO_PAD.encode(framed + "zz")));
    }
    forms
}

/// The longest piece of `form` that is still in `text`.
fn longest_survivor(form: &str, text: &str) -> usize {
    let all: Vec<_> = form.bytes().collect();
    (1..=all.len())
        .take_while(|length| {
            all.windows(*length).any(|piece| {
                text.as_bytes()
                    .windows(*length)
                    .any(|window| window == piece)
            })
        })
        .last()
        .unwrap_or(0)
}

#[test]
fn in_every_form_at_every_split_the_key_is_redacted_and_its_surroundings_stay() {
    for (name, form) in forms(KEY) {
        let text = format!("Ünder: <{form}> and so on.");
        let whole = filtered(KEY, [text.as_str()]);
        assert!(
            whole.starts_with("Ünder: <") && whole.ends_with("> and so on."),
            "{whole}"
        );
        assert!(whole.contains(MARK), "{name}: {whole}");
        assert!(longest_survivor(&form, &whole) < 6, "{name}: {whole}");
        for (split, _) in text.char_indices() {
            let parts = [&text[..split], &text[split..]];
            assert_eq!(filtered(KEY, parts), whole, "{name} split at {split}");
        }
        let mut single = filter(KEY);
        let mut out = String::new();
        for character in text.chars() {
            single.push(character.encode_utf8(&mut [0; 4]), &mut out);
            assert!(single.held.len() <= 16 * 6, "{name}");
        }
        single.finish(&mut out);
        assert_eq!(out, whole, "{name} by character");
    }
}

#[test]
fn a_key_quoted_in_part_is_redacted_from_sixteen_bytes_on() {
    assert_eq!(filtered(KEY, [&KEY[..16]]), MARK);
    assert_eq!(filtered(KEY, [&KEY[5..30]]), MARK);
    assert_eq!(filtered(KEY, [&KEY[..15]]), &KEY[..15]);
}

#[test]
fn ordinary_text_passes_unchanged_and_what_cannot_be_a_key_is_not_held() {
    let text = "The key of a door, an äöü, sk-proj- and 🗝; aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=.";
    assert_eq!(filtered(KEY, [text]), text);
    let mut out = String::new();
    filter(KEY).push("nothing here. ", &mut out);
    assert_eq!(out, "nothing here. ");
}

#[test]
fn a_short_key_is_redacted_only_whole_and_a_tiny_one_not_at_all() {
    assert_eq!(
        filtered("hunter2!", ["say hunter2! now"]),
        "say [redacted] now"
    );
    assert_eq!(filtered("hunter2!", ["say hunter2 now"]), "say hunter2 now");
    assert_eq!(filtered("abc", ["abcabc"]), "abcabc");
}

#[test]
fn what_is_redacted_in_a_row_has_one_mark() {
    let twice = format!("{KEY}{KEY} {KEY}");
    assert_eq!(filtered(KEY, [twice.as_str()]), "[redacted] [redacted]");
    assert!(filter(KEY).would_redact(&format!("id-{KEY}")));
    assert!(!filter(KEY).would_redact(&format!("id-{}", &KEY[..15])));
}

/// A key of 4 KiB in which hardly any row of characters comes twice.
fn long_key() -> String {
    let mut state = 1_u64;
    let key = (0..4096).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'!' + ((state >> 33) % 94) as u8)
    });
    key.collect()
}

/// How many characters and fingerprints are looked at, for each byte of `text`.
fn work_per_byte(key: &str, text: &str) -> f64 {
    let mut filter = filter(key);
    let mut out = String::new();
    for slice in text.as_bytes().chunks(8192) {
        filter.push(std::str::from_utf8(slice).unwrap(), &mut out);
    }
    filter.finish(&mut out);
    let work = filter.index.unwrap().work;
    work.load(std::sync::atomic::Ordering::Relaxed) as f64 / text.len() as f64
}

#[test]
fn the_work_for_a_byte_of_text_is_bounded_and_does_not_grow_with_the_key() {
    let long = long_key();
    let of = |length: usize, part: &str| part.repeat(length / part.len());
    let letters = of(1 << 20, "a");
    let base64 = of(
        1 << 20,
        &STANDARD.encode("An innocent text, in many more words than a key has."),
    );
    for key in [KEY, &long] {
        for text in [&letters, &base64] {
            // Fewer than ten as a rule; a row of the text may pass the quick rejection by chance.
            let work = work_per_byte(key, text);
            assert!(work <= 64.0, "{work}");
        }
    }
    // Written to meet the key again and again, and to fail it as late as can be.
    let escaped: String = long[..15].bytes().map(|b| format!("\\u{b:04x}")).collect();
    let encoded = STANDARD.encode(&long);
    for (name, part) in [
        ("first byte", &long[..1]),
        ("gram", &long[..4]),
        ("nearly a piece", &long[..15]),
        ("piece", &long[..16]),
        ("most of the key", &long[..4000]),
        ("the key", &long),
        ("nearly a piece in base64", &encoded[..19]),
        ("the key in base64", &encoded),
        ("percent, nearly a piece", &percent(&long[..15], true)),
        ("escapes", &escaped),
        ("both", &format!("%{}\\{}", &long[..2], &long[..13])),
    ] {
        // One of them at full length: the rest would only take longer.
        let length = if name == "nearly a piece" {
            1 << 20
        } else {
            1 << 16
        };
        let work = work_per_byte(&long, &of(length, part));
        assert!(work <= 120.0, "{name}: {work}");
    }
}

#[test]
fn an_index_holds_no_part_of_the_key() {
    let long = long_key();
    let index = Index::of(long.as_bytes()).unwrap();
    for word in index.words() {
        let bytes = word.to_le_bytes();
        assert!(!long.as_bytes().windows(8).any(|part| part == bytes));
    }
}

proptest! {
    #[test]
    fn no_split_of_no_form_of_no_key_lets_it_through(
        key in "[!-~]{8,80}",
        form in 0_usize..14,
        before in "\\PC{0,20}",
        cuts in proptest::collection::vec(0_usize..400, 0..6),
    ) {
        let forms = forms(&key);
        let (_, form) = &forms[form % forms.len()];
        let text = format!("{before} {form} after");
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % text.len()).collect();
        cuts.retain(|cut| text.is_char_boundary(*cut));
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&text[from..cut]);
            from = cut;
        }
        pieces.push(&text[from..]);
        let out = filtered(&key, pieces);
        prop_assert_eq!(&out, &filtered(&key, [text.as_str()]));
        prop_assert!(out.contains(MARK), "{}", out);
        prop_assert!(!out.contains(form.as_str()));
        prop_assert!(!out.contains(&key));
    }
}

//! Every form in which a key may be written.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;

use super::*;

/// How one character is written: as it is, or as an escape.
fn written(character: u8, how: u8) -> String {
    match (how % 6, character) {
        (1, _) => format!("%{character:02x}"),
        (2, _) => format!("%{character:02X}"),
        (3, _) => format!("\\u{character:04x}"),
        (4, _) => format!("\\u{character:04X}"),
        (5, b'/' | b'"' | b'\\') => format!("\\{}", char::from(character)),
        _ => char::from(character).into(),
    }
}

fn hex(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Every form in which a whole key may be written without escapes of our own choice, by name.
/// `before` and `after` are what is encoded together with it.
pub(super) fn forms(key: &str, before: &str, after: &str) -> Vec<(&'static str, String)> {
    let json = serde_json::to_string(key).unwrap();
    let all = |how: u8| key.bytes().map(|byte| written(byte, how)).collect();
    let company = format!("{before}{key}{after}");
    let alternating = |(at, character): (usize, char)| match at % 2 {
        0 => character.to_ascii_uppercase(),
        _ => character.to_ascii_lowercase(),
    };
    vec![
        ("raw", key.to_owned()),
        ("upper case", key.to_ascii_uppercase()),
        ("lower case", key.to_ascii_lowercase()),
        (
            "mixed case",
            key.chars().enumerate().map(alternating).collect(),
        ),
        ("percent, lower", all(1)),
        ("percent, upper", all(2)),
        (
            "percent, reserved only",
            key.replace('%', "%25").replace('/', "%2F"),
        ),
        ("json", json[1..json.len() - 1].to_owned()),
        ("json, slashes", json[1..json.len() - 1].replace('/', "\\/")),
        ("json, all", all(3)),
        ("json, all, upper", all(4)),
        ("base64", STANDARD.encode(&company)),
        ("base64, url", URL_SAFE_NO_PAD.encode(&company)),
        (
            "base64 in json",
            STANDARD.encode(&company).replace('/', "\\/"),
        ),
        (
            "base64 in an address",
            STANDARD
                .encode(&company)
                .replace('+', "%2B")
                .replace('/', "%2f"),
        ),
        (
            "base64, all escaped",
            STANDARD
                .encode(key)
                .bytes()
                .map(|b| written(b, 3))
                .collect(),
        ),
        ("hexadecimal", hex(key)),
        ("hexadecimal, upper", hex(key).to_uppercase()),
        (
            "hexadecimal, escaped",
            hex(key).bytes().map(|b| written(b, 1)).collect(),
        ),
        ("in the middle of hexadecimal", hex(&company)),
    ]
}

/// What of `form` must be gone: of base64 and hexadecimal in company, the company may stay.
fn core<'f>(name: &str, form: &'f str, key: &str, before: &str) -> &'f str {
    let sextets = |bytes: usize| bytes * 4 / 3 + 1;
    let (from, length) = match name {
        "base64" | "base64, url" => (sextets(before.len()), (key.len() * 8 - 4) / 6 - 1),
        "in the middle of hexadecimal" => (2 * before.len(), 2 * key.len()),
        // Each character takes six; the last three are not wholly of the key.
        "base64, all escaped" => (0, (key.len() * 8 - 4) / 6 * 6),
        _ => (0, form.len()),
    };
    &form[from.min(form.len())..(from + length).min(form.len())]
}

#[test]
fn in_every_form_a_key_is_redacted_and_its_surroundings_stay() {
    let live = knowing([KEY]);
    for before in ["", "a", "ab"] {
        for (name, form) in forms(KEY, before, "zz") {
            let text = format!("Ünder: <{form}> and so on.");
            let redacted = live.redact(&text);
            assert!(redacted.starts_with("Ünder: <"), "{name}: {redacted}");
            assert!(redacted.ends_with("> and so on."), "{name}: {redacted}");
            assert!(redacted.contains(MARK), "{name}: {redacted}");
            // Of base64 and hexadecimal, the company stays.
            assert!(redacted.len() < 60, "{name}: {redacted}");
            assert!(live.holds(&text), "{name}");
            assert_eq!(
                filtered(Filter::of_key(KEY.as_bytes()), [&*text]),
                redacted,
                "{name}"
            );
        }
    }
}

#[test]
fn a_key_quoted_in_part_is_redacted_from_sixteen_bytes_on() {
    let live = knowing([KEY]);
    for from in 0..KEY.len() - 15 {
        let part = &KEY[from..from + 16];
        assert_eq!(live.redact(part), MARK);
        assert_eq!(live.redact(&hex(part)), MARK);
        assert!(live.holds(&STANDARD.encode(part)), "{part}");
        assert_eq!(live.redact(&part[..15]), part[..15]);
        assert!(!live.holds(&hex(&part[1..])));
    }
}

#[test]
fn a_short_key_is_redacted_only_whole_and_a_tiny_one_not_at_all() {
    let live = knowing(["hunter2!", "abcdefg"]);
    assert_eq!(live.redact("say hunter2! now"), "say [redacted] now");
    assert_eq!(live.redact("say HuNtEr2%21 now"), "say [redacted] now");
    assert_eq!(live.redact("say hunter2 now"), "say hunter2 now");
    assert_eq!(live.redact("abcdefg"), "abcdefg");
    // For one call, where few texts are looked at, a little less is enough.
    let of = |key: &str, text| filtered(Filter::of_key(key.as_bytes()), [text]);
    assert_eq!(of("abcd", "abcabcd"), "abc[redacted]");
    assert_eq!(of("abc", "abcabc"), "abcabc");
}

#[test]
fn lines_and_letters_of_a_key_are_part_of_it() {
    let key = "-----BEGIN K-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQ==\n-----END K-----\n";
    let live = knowing([key, "Schlüssel für Köln"]);
    assert_eq!(live.redact(&format!("[{key}]")), "[[redacted]]");
    let json = serde_json::to_string(key).unwrap();
    assert_eq!(live.redact(&json), "\"[redacted]\"");
    assert_eq!(live.redact("(Schlüssel für Köln)"), "([redacted])");
    // From within a letter on, the whole letter goes.
    assert_eq!(live.redact("chlüssel für Köl!"), "[redacted]!");
    assert_eq!(live.redact("ssel für Köln"), "ssel für Köln");
}

#[test]
fn what_is_redacted_in_a_row_has_one_mark() {
    let live = knowing([KEY, "hunter2!hunter3!"]);
    let twice = format!("{KEY}{KEY} {KEY}hunter2!hunter3!{KEY}");
    assert_eq!(live.redact(&twice), "[redacted] [redacted]");
    assert_eq!(filtered(live.stream(), [&*twice]), "[redacted] [redacted]");
    // What stands there already, even if it touches, is somebody else's.
    let mut found = vec![0..1, 0..0];
    live.ranges(&twice, &mut found);
    let length = KEY.len();
    let mine = [0..2 * length, 2 * length + 1..twice.len()];
    assert_eq!(found[..2], [0..1, 0..0]);
    assert_eq!(found[2..], mine);
}

/// Keys of any visible characters, and keys that are themselves base64 or hexadecimal.
fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        "[!-~]{8,200}",
        "[A-Za-z0-9+/]{8,200}",
        "[0-9a-f]{8,200}",
        "[a-b]{8,40}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_form_of_no_key_survives_at_any_split(
        key in keys(),
        form in 0_usize..20,
        company in ("[ -~]{0,5}", "[ -~]{0,5}"),
        before in "\\PC{0,40}",
        after in "\\PC{0,40}",
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let forms = forms(&key, &company.0, &company.1);
        let (name, form) = &forms[form];
        let text = format!("{before}{form}{after}");
        let live = knowing([&*key]);
        let whole = live.redact(&text).into_owned();
        prop_assert!(whole.contains(MARK), "{}: {}", name, whole);
        let core = core(name, form, &key, &company.0);
        prop_assert!(!whole.contains(core), "{}: {} in {}", name, core, whole);
        prop_assert!(none_survives(core, &whole), "{}: {} in {}", name, core, whole);
        for filter in [live.stream(), Filter::of_key(key.as_bytes())] {
            prop_assert_eq!(&filtered(filter, cut(&text, &cuts)), &whole, "{}", name);
        }
    }

    #[test]
    fn no_mixture_of_escapes_hides_a_key(
        // What reads as an escape in the key itself is known as it is.
        key in "[ -$&-\\[\\]-~]{8,60}",
        how in prop::collection::vec(0_u8..12, 60),
        before in "[a-z%\\\\]{0,20}",
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let pairs = key.bytes().zip(&how);
        let form: String = pairs.map(|(byte, how)| written(byte, *how)).collect();
        let text = format!("{before} {form} after");
        let live = knowing([&*key]);
        let whole = live.redact(&text).into_owned();
        prop_assert!(!whole.contains(&form), "{}", whole);
        prop_assert!(none_survives(&form, &whole), "{}", whole);
        prop_assert!(whole.starts_with(&*before) && whole.ends_with(" after"), "{}", whole);
        prop_assert_eq!(&filtered(live.stream(), cut(&text, &cuts)), &whole);
    }

    #[test]
    fn any_sixteen_bytes_of_a_key_are_a_hit_in_any_form(
        key in "[!-~]{16,200}",
        from in any::<prop::sample::Index>(),
        form in 0_usize..20,
        before in "[ -~]{0,40}",
    ) {
        let from = from.index(key.len() - 15);
        let forms = forms(&key[from..from + 16], "", "");
        let (name, form) = &forms[form];
        prop_assert!(knowing([&*key]).holds(&format!("{before} {form}")), "{}", name);
    }
}

//! Secrets of every form, in every dress: what is found, and that nothing of it is left.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use fastrand::Rng;
use proptest::prelude::*;

use super::{
    super::{Direction, rules},
    ALL,
    samples::{Sample, ending, sample},
};

/// All shipped rules of secrets.
static RULES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let files = rules::FILES.iter();
    let rules = files.flat_map(|(_, text)| rules::read(text, rules::Compile::Now).unwrap());
    rules.map(|rule| rule.id.to_string()).collect()
});

/// Whether 16 bytes in a row of `secret`, or all of a shorter one, are in `text`.
pub(super) fn survives(secret: &str, text: &str) -> bool {
    let secret = secret.as_bytes();
    secret
        .windows(secret.len().clamp(1, 16))
        .any(|part| memchr::memmem::find(text.as_bytes(), part).is_some())
}

fn redacted(text: &str) -> String {
    ALL.text(Direction::Log, text).text.into_owned()
}

fn any_rule() -> impl Strategy<Value = (String, Sample)> {
    (0..RULES.len(), any::<u64>()).prop_map(|(rule, seed)| {
        let rule = RULES[rule].clone();
        let sample = sample(&rule, &mut Rng::with_seed(seed));
        (rule, sample)
    })
}

/// What parts a secret from the text before it.
fn parting() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(" "),
        Just("\n"),
        Just("\""),
        Just("\\n"),
        Just("\\\""),
        Just(", "),
        Just("(")
    ]
}

#[test]
fn every_shipped_rule_finds_its_own_and_is_the_one_that_is_told() {
    for rule in RULES.iter() {
        for seed in 0..50 {
            let sample = sample(rule, &mut Rng::with_seed(seed));
            let Sample {
                context, secret, ..
            } = &sample;
            let text = format!("{context}{secret}{}", ending(rule));
            let redacted = ALL.text(Direction::Log, &text);
            let told: Vec<&str> = redacted.report.findings.iter().map(|f| &*f.rule).collect();
            assert_eq!(told, [rule], "{text} {}", redacted.text);
            assert!(
                !survives(secret, &redacted.text),
                "{text} {}",
                redacted.text
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_of_a_secret_survives_in_any_text(
        (rule, sample) in any_rule(),
        before in "\\PC{0,60}",
        parting in parting(),
        after in "\\PC{0,60}",
    ) {
        let Sample { context, secret, .. } = &sample;
        let text = format!("{before}{parting}{context}{secret}{}{after}", ending(&rule));
        let left = redacted(&text);
        prop_assert!(!survives(secret, &left), "{text}\n{left}");
    }

    #[test]
    fn what_tells_itself_is_found_between_letters_too(
        (_, sample) in any_rule().prop_filter("free", |(_, sample)| sample.is_free),
        before in "[a-zA-Z0-9é]{0,20}",
        after in "[a-zA-Z0-9é]{0,20}",
    ) {
        let text = format!("{before}{}{after}", sample.secret);
        let left = redacted(&text);
        prop_assert!(!survives(&sample.secret, &left), "{text}\n{left}");
    }

    #[test]
    fn nothing_survives_as_escapes_of_a_url_or_a_json_string(
        (rule, sample) in any_rule(),
        is_url in any::<bool>(),
        share in 1_usize..4,
    ) {
        let escaped = |text: &str| -> String {
            text.chars()
                .enumerate()
                .map(|(index, c)| match c {
                    '\\' | '\r' | '\n' => c.to_string(),
                    ' ' if !is_url => c.to_string(),
                    c if c.is_ascii_alphanumeric() && index % share > 0 => c.to_string(),
                    c if is_url => format!("%{:02X}", u32::from(c)),
                    c => format!("\\u{:04x}", u32::from(c)),
                })
                .collect()
        };
        // A line break or a backslash within it would be escaped otherwise.
        prop_assume!(!sample.secret.contains('\\'));
        let Sample { context, secret, .. } = &sample;
        let text = format!("q={} x", escaped(&format!("{context}{secret}{}", ending(&rule))));
        let left = redacted(&text);
        let read = (0..128_u8).fold(left.clone(), |read, byte| {
            read.replace(&format!("%{byte:02X}"), &char::from(byte).to_string())
                .replace(&format!("\\u{byte:04x}"), &char::from(byte).to_string())
        });
        prop_assert!(!survives(secret, &read), "{text}\n{left}");
    }

    #[test]
    fn nothing_survives_in_base64(
        (rule, sample) in any_rule(),
        before in "[a-z \n]{0,40}",
        after in "[a-z \n]{0,40}",
        lead in "[A-Za-z0-9+/]{0,9}",
        is_wrapped in any::<bool>(),
    ) {
        let Sample { context, secret, .. } = &sample;
        let head = format!("{before} {context}");
        let plain = format!("{head}{secret}{}{after}", ending(&rule));
        let encoded = BASE64_STANDARD.encode(&plain);
        // The letters that carry nothing but the secret.
        let whole = (head.len() * 4).div_ceil(3)..(head.len() + secret.len()) * 4 / 3;
        let carried = encoded[whole].to_owned();
        let broken = |text: &str| match is_wrapped {
            true => text.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap())
                .collect::<Vec<_>>().join("\n"),
            false => text.to_owned(),
        };
        prop_assume!(encoded.trim_end_matches('=').len() >= 40);
        let text = format!("data {lead}{} x", broken(&encoded));
        let left = redacted(&text).replace('\n', "");
        prop_assert!(!survives(&carried, &left), "{plain}\n{text}\n{left}");
    }

    #[test]
    fn to_redact_twice_is_to_redact_once(
        samples in prop::collection::vec((any_rule(), parting(), "\\PC{0,30}"), 0..4),
    ) {
        let text: String = samples
            .iter()
            .map(|((rule, Sample { context, secret, .. }), parting, before)| {
                format!("{before}{parting}{context}{secret}{}", ending(rule))
            })
            .collect();
        let once = redacted(&text);
        prop_assert_eq!(&redacted(&once), &once);
    }

    #[test]
    fn any_text_is_looked_through_and_what_is_unchanged_is_the_same(text in "(?s).{0,400}") {
        let found = ALL.text(Direction::Log, &text);
        prop_assert_eq!(found.report.changed, found.text != text);
        prop_assert_eq!(redacted(&found.text), &*found.text);
    }

    #[test]
    fn text_of_the_signs_that_rules_look_for_is_looked_through(
        parts in prop::collection::vec(prop_oneof![
            Just("token"), Just("="), Just("sk-"), Just("\\"), Just("%4"), Just("1"), Just("\""),
            Just("@"), Just("."), Just("://"), Just("[redacted"), Just(":jwt]"), Just("]"),
            Just("eyJ"), Just("AKIA"), Just("-----BEGIN PRIVATE KEY-----"), Just("\\u00"), Just("é"),
            Just("4111 1111 1111 1111"), Just("password"), Just("aB3xY9"), Just("+49 30"), Just("\n"),
        ], 0..60),
    ) {
        let text = parts.concat();
        let once = redacted(&text);
        prop_assert_eq!(redacted(&once), once);
    }
}

#[test]
fn an_image_is_looked_into_and_not_taken_for_what_its_base64_happens_to_spell() {
    // Eight bytes of a PNG and one more, behind which a key of Google's stands by chance.
    let key = "AIzaSyB4dT7kQ2wX9nLp3VfHjR6mYcEo1GuZs8k";
    let by_chance = format!("data:image/png;base64,iVBORw0KGgoA{key}AAAAA");
    assert_eq!(redacted(&by_chance), by_chance);
    // The same in a text that only says that it is one.
    let pretended = format!("data:image/png;base64,{key}");
    assert!(!redacted(&pretended).contains(key));
    let prompt = format!("data:image/png;base64,iVBORw0KGgoA is how it begins; the key is {key}");
    assert!(!redacted(&prompt).contains(key));
    // What is written in an image is found.
    let written = [
        b"\x89PNG\r\n\x1a\n",
        "Comment: google key ".as_bytes(),
        key.as_bytes(),
        b" end",
    ];
    let image = format!(
        "data:image/png;base64,{}",
        BASE64_STANDARD.encode(written.concat())
    );
    assert_ne!(redacted(&image), image);
}

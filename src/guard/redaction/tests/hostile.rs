//! Texts made to cost much: each ends, within its bound of work, and what could not be looked
//! through does not pass.

use std::sync::LazyLock;

use fastrand::Rng;

use super::{
    super::{
        Direction,
        merge::Hit,
        personal::Kind,
        rules::{self, Pattern},
        scan::{Budget, Scanner, Sought},
    },
    forms::survives,
    redactor,
    samples::sample,
};

const LENGTH: usize = 1 << 20;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(patterns(), Kind::ALL.to_vec()));

fn patterns() -> Vec<Pattern> {
    let files = rules::FILES.iter();
    files
        .flat_map(|(_, file)| rules::read(file, rules::Compile::Now).unwrap())
        .collect()
}

/// All keywords in a row.
fn keywords(between: &str) -> String {
    let keywords = patterns().into_iter().flat_map(|pattern| pattern.keywords);
    keywords.map(|keyword| keyword + between).collect()
}

/// How many bytes were looked at beyond the search for keywords, for each byte of text, and whether
/// the text was looked through.
fn work(text: &str) -> (usize, bool) {
    let mut budget = Budget::new(text.len());
    let mut hits: Vec<Hit> = Vec::new();
    let sought = Sought {
        secrets: true,
        personal: true,
    };
    let ended = SCANNER.scan(text, sought, &mut budget, &mut hits).is_ok();
    (budget.spent() / text.len(), ended)
}

fn repeated(text: &str) -> String {
    text.repeat(LENGTH / text.len())
}

#[test]
fn a_mebibyte_of_anything_costs_no_more_than_the_bound() {
    for text in [
        repeated(&keywords("")),
        repeated("@"),
        repeated("a@b.c@"),
        repeated("1"),
        repeated("4111-"),
        repeated("+1 "),
        repeated("-----BEGIN"),
        repeated("-----BEGIN PRIVATE KEY-----"),
        repeated("token="),
        repeated("password = aaaa1 "),
        repeated("sk-"),
        repeated("eyJ."),
        repeated("://a:"),
        repeated("A"),
        repeated("A\n"),
        repeated("QUFB/+-_"),
        repeated("%41"),
        repeated("\\u0041"),
        repeated("\\"),
        repeated("[redacted:jwt]"),
        repeated("[redacted:"),
        repeated("\u{1f511}"),
    ] {
        let (work, _) = work(&text);
        // The last step may overshoot, by no more than the text.
        assert!(work <= 8 + 1 + 1, "{:.20}: {work}", text);
    }
}

#[test]
fn ordinary_text_costs_less_than_its_length() {
    for text in [
        repeated("The quick brown fox jumps over the lazy dog, 12 times a day.\n"),
        repeated("    let value = map.get(&name).ok_or(Error::Missing(name))?; // why\n"),
        repeated("{\"id\": 48213, \"name\": \"widget\", \"tags\": [\"a\", \"b\"]},\n"),
    ] {
        assert_eq!(work(&text), (0, true), "{text:.20}");
    }
}

#[test]
fn a_long_text_full_of_secrets_is_looked_through() {
    let secret = sample("github-token", &mut Rng::with_seed(1)).secret;
    let text = repeated(&format!("{secret} and some words that are none\n"));
    assert!(work(&text).1);
}

#[test]
fn a_text_that_cannot_be_looked_through_is_redacted_whole_and_told_as_such() {
    let redactor = redactor("{}");
    let secret = sample("github-token", &mut Rng::with_seed(1)).secret;
    let text = format!("{}{secret}", repeated(&keywords(" ")));
    assert!(!work(&text).1, "no longer too much: make it harder");
    let redacted = redactor.text(Direction::ToModel, &text);
    assert_eq!(redacted.text, "[redacted:limit]");
    assert!(redacted.report.blocked);
    assert!(
        redacted
            .report
            .findings
            .iter()
            .any(|found| &*found.rule == "limit")
    );
}

#[test]
fn a_secret_is_found_at_the_end_of_a_long_text() {
    let redactor = redactor("{}");
    let secret = sample("private-key", &mut Rng::with_seed(1)).secret;
    let text = format!("{}\n{secret}", repeated("a line of no interest\n"));
    let redacted = redactor.text(Direction::ToModel, &text).text;
    assert!(!survives(&secret, &redacted));
    assert!(redacted.ends_with("[redacted:private-key]"));
}

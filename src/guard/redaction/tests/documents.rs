//! Documents: strings, names, numbers and marked fields, at any depth.

use fastrand::Rng;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    super::{Action, Class, Direction, Report},
    ALL,
    forms::survives,
    redactor,
    samples::sample,
};
use crate::guard::fields::FieldPattern;

fn redact(document: &mut Value) -> Report {
    ALL.document(Direction::Log, document, &[])
}

fn told(report: &Report) -> Vec<(&str, &str)> {
    let findings = report.findings.iter();
    findings
        .map(|finding| (&*finding.rule, &*finding.pointer))
        .collect()
}

fn patterns(texts: &[&str]) -> Vec<FieldPattern> {
    let patterns = texts.iter().map(|text| FieldPattern::parse(text).unwrap());
    patterns.collect()
}

fn token() -> String {
    sample("github-token", &mut Rng::with_seed(7)).secret
}

/// A document with `{}` in every place where a string may be.
fn nested() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!("{}")),
        "\\PC{0,20}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![2 => "\\PC{0,8}", 1 => Just("{}".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// `document` with `secret` for each `{}`.
fn filled(document: &Value, secret: &str) -> Value {
    match document {
        Value::String(text) => text.replace("{}", secret).into(),
        Value::Array(items) => items.iter().map(|item| filled(item, secret)).collect(),
        Value::Object(map) => {
            let fields = map.iter();
            fields
                .map(|(name, value)| (name.replace("{}", secret), filled(value, secret)))
                .collect::<Map<_, _>>()
                .into()
        }
        other => other.clone(),
    }
}

fn count(document: &Value) -> usize {
    match document {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_of_a_secret_survives_in_any_place_of_a_document(
        document in nested(),
        seed in any::<u64>(),
        rule in prop_oneof![
            Just("github-token"), Just("jwt"), Just("private-key"), Just("anthropic-key"),
            Just("aws-access-key-id"), Just("slack-token"), Just("vault-token"),
        ],
    ) {
        let secret = sample(rule, &mut Rng::with_seed(seed)).secret;
        let mut redacted = filled(&document, &secret);
        let had = redacted.clone();
        let report = redact(&mut redacted);
        let said = format!("{redacted} {report:?}");
        prop_assert!(!survives(&secret, &said), "{said}");
        prop_assert_eq!(report.changed, redacted != had);
        // Nothing is lost to a name that two fields would share.
        prop_assert_eq!(count(&redacted), count(&had));
        let once = redacted.clone();
        let again = redact(&mut redacted);
        prop_assert_eq!(&redacted, &once);
        prop_assert!(!again.changed);
    }
}

#[test]
fn a_find_is_told_by_a_pointer_to_where_it_was() {
    let token = token();
    let mut document = json!({ "a/b": [{ "c~": format!("see {token}") }], "plain": "text" });
    let report = redact(&mut document);
    assert_eq!(told(&report), [("github-token", "/a~1b/0/c~0")]);
    assert_eq!(document["a/b"][0]["c~"], "see [redacted:github-token]");
    assert_eq!(document["plain"], "text");
}

#[test]
fn a_value_is_judged_with_the_name_that_it_goes_by() {
    let value = sample("generic-secret", &mut Rng::with_seed(3)).secret;
    let mut document = json!({ "client_secret": value, "passwords": [value], "title": value });
    let report = redact(&mut document);
    let mark = "[redacted:generic-secret]";
    let expected = json!({ "client_secret": mark, "passwords": [mark], "title": value });
    assert_eq!(document, expected);
    assert_eq!(report.findings.len(), 2);
}

#[test]
fn a_name_of_128_bytes_tells_of_its_value_and_a_longer_one_does_not() {
    let value = sample("generic-secret", &mut Rng::with_seed(3)).secret;
    for (length, is_told) in [(128, true), (129, false)] {
        let name = format!("{:>length$}", "client_secret");
        let mut document = json!({ &name: value });
        redact(&mut document);
        assert_eq!(document[&name] != value, is_told, "{length}");
    }
}

#[test]
fn names_that_become_the_same_are_kept_apart() {
    let mut rng = Rng::with_seed(1);
    let mut document = json!({ "[redacted:github-token]": 0 });
    for number in 1..4 {
        document[sample("github-token", &mut rng).secret] = json!(number);
    }
    let report = redact(&mut document);
    let mut numbers: Vec<_> = document.as_object().unwrap().values().cloned().collect();
    numbers.sort_by_key(Value::as_u64);
    assert_eq!(numbers, [0, 1, 2, 3]);
    assert!(document["[redacted:github-token]#2"].is_u64());
    let names = report.findings.iter();
    assert!(
        names
            .clone()
            .all(|name| name.pointer == "/[redacted:github-token]")
    );
}

#[test]
fn a_warning_leaves_a_name_as_it_is_and_does_not_repeat_it() {
    let redactor = redactor("{ to_client: { secrets: warn } }");
    let token = token();
    let mut document = json!({ &token: "x" });
    let report = redactor.document(Direction::ToClient, &mut document, &[]);
    assert_eq!(document, json!({ &token: "x" }));
    assert_eq!(told(&report), [("github-token", "/[redacted]")]);
    assert!(!report.changed && !report.blocked);
}

#[test]
fn a_number_that_is_a_card_is_redacted() {
    let mut document = json!({ "card": 4111111111111111_u64, "count": 4111111111111112_u64 });
    let report = redact(&mut document);
    assert_eq!(document["card"], "[redacted:payment-card]");
    assert_eq!(document["count"], 4111111111111112_u64);
    assert_eq!(report.findings[0].class, Class::Personal);
}

#[test]
fn a_field_that_a_schema_marks_is_redacted_whatever_it_holds_and_wherever_it_goes() {
    let redactor = redactor(
        "{ to_model: { secrets: \"off\" }, to_client: { secrets: warn }, \
         log: { secrets: \"off\", personal: \"off\" }, audit: { secrets: block } }",
    );
    let mark = "[redacted:sensitive]";
    for direction in [
        Direction::ToModel,
        Direction::ToClient,
        Direction::Log,
        Direction::Audit,
    ] {
        let mut document = json!({
            "pay": 12, "none": null, "people": [{ "ssn": { "a": ["b"] }, "name": "x" }],
        });
        let sensitive = patterns(&["/pay", "/none", "/absent", "/people/*/ssn"]);
        let report = redactor.document(direction, &mut document, &sensitive);
        let people = json!([{ "ssn": mark, "name": "x" }]);
        let expected = json!({ "pay": mark, "none": mark, "people": people });
        assert_eq!(document, expected);
        let pointers: Vec<_> = told(&report).into_iter().map(|(_, at)| at).collect();
        assert_eq!(pointers, ["/none", "/pay", "/people/0/ssn"]);
        assert!(report.findings.iter().all(|f| f.action == Action::Redact));
        assert!(report.changed && !report.blocked);
        let again = redactor.document(direction, &mut document, &sensitive);
        assert_eq!((document, again), (expected, Report::default()));
    }
}

#[test]
fn a_field_is_known_as_marked_by_the_name_it_had() {
    let token = token();
    let mut document = json!({ &token: { "pay": 1 } });
    let sensitive = patterns(&[&format!("/{token}/pay")]);
    ALL.document(Direction::Log, &mut document, &sensitive);
    let expected = json!({ "[redacted:github-token]": { "pay": "[redacted:sensitive]" } });
    assert_eq!(document, expected);
}

#[test]
fn what_lies_too_deep_to_be_looked_at_is_redacted() {
    let mut document = json!({ "a": token() });
    for _ in 0..1_000 {
        document = json!([document]);
    }
    let report = redact(&mut document);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(&*report.findings[0].rule, "limit");
    assert!(report.changed && document.to_string().contains("[redacted:limit]"));
    assert!(!document.to_string().contains("ghp_"));
}

#[test]
fn of_many_finds_the_first_are_listed_and_the_rest_is_counted() {
    let items: Vec<String> = (0..300)
        .map(|seed| sample("github-token", &mut Rng::with_seed(seed)).secret)
        .collect();
    let mut document = json!(items);
    let report = redact(&mut document);
    assert_eq!((report.findings.len(), report.unlisted), (256, 44));
    assert!(!document.to_string().contains("gh"), "{document}");
    assert!(report.told().ends_with("at `/9`, 290 more"));
}

#[test]
fn a_report_is_told_by_rules_and_places_and_never_by_what_was_found() {
    let secret = sample("github-token", &mut Rng::with_seed(1)).secret;
    let mut document = json!({ "a": { "b": secret }, "c": "nothing" });
    assert_eq!(redact(&mut document).told(), "github-token at `/a/b`");
    let text = ALL.text(Direction::Log, &secret);
    assert_eq!(text.report.told(), "github-token");
    assert_eq!(ALL.text(Direction::Log, "nothing").report.told(), "");
}

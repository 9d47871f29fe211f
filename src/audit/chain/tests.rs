//! What a chain promises of its lines: one form, linked, and read back as they were written.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::audit::{
    Event, RecordedAttempt, RecordedClient, RecordedDecision, RecordedFile, RecordedPrincipal,
    RecordedSecret, Tokens,
};

fn record(tool: &str) -> Record {
    let mut record = Record::new(Event::CallAccepted);
    record.tool = Some(tool.to_owned());
    record.principal = Some(RecordedPrincipal {
        id: "alice".into(),
        kind: Some("local"),
        groups: Vec::new(),
    });
    record
}

#[test]
fn a_line_is_the_canonical_record_with_its_place_and_hashes() {
    let mut record = record("chat");
    record.time = "2026-01-02T03:04:05.000006Z".parse().unwrap();
    let mut chain = Chain::new();
    // Made by another program: Python's json.dumps with sorted keys, and hashlib.
    let first = concat!(
        r#"{"event":"call_accepted","hash":"69abc8150c562b7059d94c9cfcf9c0dab2bcdb537f195b56f726c86aa69ea2f1","#,
        r#""prev":"0000000000000000000000000000000000000000000000000000000000000000","#,
        r#""principal":{"id":"alice","kind":"local"},"schema":"keyward.audit/1","sequence":1,"#,
        r#""time":"2026-01-02T03:04:05.000006Z","tool":"chat"}"#
    );
    assert_eq!(chain.seal(&record).unwrap(), first);
    let second = chain.seal(&record).unwrap();
    assert_eq!(
        (chain.sequence(), chain.head()),
        (2, Link::read(second.as_bytes()).unwrap().hash)
    );
    assert!(second.contains(&format!(
        "\"prev\":\"{}\"",
        Link::read(first.as_bytes()).unwrap().hash
    )));
}

#[test]
fn a_chain_goes_on_from_the_line_it_ended_in() {
    let mut chain = Chain::new();
    let mut resumed = Chain::new();
    for tool in ["a", "b", "c"] {
        let record = record(tool);
        let line = chain.seal(&record).unwrap();
        assert_eq!(resumed.seal(&record).unwrap(), line);
        resumed = Chain::ending_in(&Link::read(line.as_bytes()).unwrap());
        assert_eq!(resumed, chain);
    }
}

#[test]
fn a_number_that_json_readers_may_round_is_none() {
    let mut chain = Chain {
        sequence: 9_007_199_254_740_990,
        head: Hash::ZERO,
    };
    let last = chain.seal(&record("a")).unwrap();
    assert_eq!(
        Link::read(last.as_bytes()).unwrap().sequence,
        9_007_199_254_740_991
    );
    let beyond = chain.seal(&record("a")).unwrap();
    assert_eq!(
        Link::read(beyond.as_bytes()).unwrap_err(),
        BadLine::NoRecord
    );
}

#[test]
fn a_batch_that_cannot_be_sealed_leaves_the_chain_where_it_was() {
    let mut chain = Chain::new();
    let long = record(&"x".repeat(MAX_LINE));
    let batch = [Arc::new(record("a")), Arc::new(long)];
    assert_eq!(chain.seal_all(&batch), Err(Unsealable::Length));
    assert_eq!(chain, Chain::new());
    let lines = chain.seal_all(&batch[..1]).unwrap();
    assert_eq!(lines.matches('\n').count(), 1);
    assert_eq!(chain.sequence(), 1);
}

#[test]
fn a_line_in_another_form_of_json_is_none_of_ours() {
    let line = Chain::new().seal(&record("chat")).unwrap();
    let unescaped = line.replace("\"alice\"", "\"\\u0061lice\"");
    let spaced = line.replacen(':', ": ", 1);
    let doubled = line.replacen('{', "{\"a\":1,\"a\":1,", 1);
    for other in [unescaped, spaced, doubled] {
        assert_eq!(
            Link::read(other.as_bytes()).unwrap_err(),
            BadLine::NotCanonical,
            "{other}"
        );
    }
    let renamed = line.replace("alice", "malice");
    assert_eq!(
        Link::read(renamed.as_bytes()).unwrap_err(),
        BadLine::WrongHash
    );
    for none in ["", "{}", "[]", "null", "{\"hash\":\"\"}", &line[1..]] {
        assert_eq!(
            Link::read(none.as_bytes()).unwrap_err(),
            BadLine::NoRecord,
            "{none}"
        );
    }
}

/// Any JSON that a client can send.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A record with every member, each text of which is from `texts`.
fn full(texts: &[String]) -> Record {
    let mut texts = texts.iter().cycle().cloned();
    let mut text = || texts.next().unwrap_or_default();
    Record {
        schema: crate::audit::record::SCHEMA,
        time: Timestamp::now(),
        event: Event::PolicyDecision,
        instance: Some(text()),
        request_id: Some(text()),
        trace_id: Some(text()),
        principal: Some(RecordedPrincipal {
            groups: vec![text(), text()],
            id: text(),
            kind: Some("local"),
        }),
        client: Some(RecordedClient {
            name: text(),
            version: text(),
        }),
        tool: Some(text()),
        arguments_hmac: [(text(), text()), (text(), text())].into(),
        arguments: None,
        files: vec![RecordedFile {
            path: text(),
            size: 7,
            sha256: text(),
        }],
        model: Some(text()),
        provider: Some(text()),
        also_asked: vec![RecordedAttempt {
            because: text(),
            model: text(),
            provider: text(),
        }],
        tokens: Some(Tokens {
            input: 1,
            output: 2,
            estimated: true,
        }),
        cost_micro_usd: Some(3),
        secrets: vec![text(), text()],
        secret: Some(RecordedSecret {
            consumer: text(),
            name: text(),
            provider: Some(text()),
            version: Some(text()),
        }),
        decision: Some(RecordedDecision {
            direction: "input",
            reason: Some(text()),
            rules: vec![text()],
            verdict: "deny",
        }),
        outcome: Some("denied"),
        code: Some(text()),
        detail: Some(text()),
        count: Some(3),
        duration_us: Some(4),
        bytes_in: Some(5),
        bytes_out: Some(6),
        config_digest: Some(text()),
    }
}

proptest! {
    /// Reading a line back compares it with its canonical form, which another crate makes.
    #[test]
    fn every_member_of_a_record_is_in_canonical_form_and_order(
        texts in prop::collection::vec(any::<String>(), 1..30),
    ) {
        let line = Chain::new().seal(&full(&texts)).unwrap();
        let link = Link::read(line.as_bytes()).unwrap();
        prop_assert_eq!(link.record.len(), 27);
    }

    #[test]
    fn whatever_a_record_says_its_line_is_one_line_and_can_be_read_back(
        arguments in document(),
        texts in prop::collection::vec(any::<String>(), 3),
        files in prop::collection::btree_map(any::<String>(), any::<String>(), 0..3),
    ) {
        let mut record = record(&texts[0]);
        record.detail = Some(texts[1].clone());
        record.code = Some(texts[2].clone());
        record.arguments_hmac = files;
        record.arguments = Some(arguments);
        let line = Chain::new().seal(&record).unwrap();
        prop_assert!(!line.contains('\n'));
        let link = Link::read(line.as_bytes()).unwrap();
        prop_assert_eq!(&link.record["tool"], &Value::from(texts[0].clone()));
        prop_assert_eq!(link.sequence, 1);
    }
}

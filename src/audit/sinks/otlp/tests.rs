//! What a collector gets, field by field, and what of its answers keeps a batch.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::audit::{
    Event, Record, RecordedClient, RecordedDecision, RecordedPrincipal, RecordedSecret, Sink,
    SinkError, Tokens,
    sinks::{
        listener::{Answer, Listener, answer, runtime},
        seal::tests::{Count, batch, told},
    },
};

fn full() -> Record {
    let mut record = Record::new(Event::PolicyDecision);
    record.time = "2026-01-02T03:04:05.000006Z".parse().unwrap();
    record.instance = Some("0123456789abcdef".to_owned());
    record.request_id = Some("r".to_owned());
    record.trace_id = Some("4BF92F3577B34DA6A3CE929D0E0E4736".to_owned());
    record.principal = Some(RecordedPrincipal {
        id: "alice".to_owned(),
        kind: Some("local"),
        groups: Vec::new(),
    });
    record.client = Some(RecordedClient {
        name: "editor".to_owned(),
        version: "1".to_owned(),
    });
    record.tool = Some("chat".to_owned());
    record.model = Some("m".to_owned());
    record.provider = Some("p".to_owned());
    record.secret = Some(RecordedSecret {
        name: "openai".to_owned(),
        consumer: "openai".to_owned(),
        provider: None,
        version: None,
    });
    record.tokens = Some(Tokens {
        input: u64::MAX,
        output: 2,
        estimated: false,
    });
    record.decision = Some(RecordedDecision {
        direction: "input",
        verdict: "deny",
        rules: vec!["no-codes".to_owned()],
        reason: None,
    });
    record.outcome = Some("refused");
    record.code = Some("denied".to_owned());
    record.duration_us = Some(3);
    record.bytes_in = Some(4);
    record.bytes_out = Some(5);
    record
}

/// What arrives of `batch` at a collector that gives `answers`, and what the sink says.
fn send(
    answers: impl IntoIterator<Item = Answer>,
    batch: &[Arc<Record>],
) -> (Vec<Value>, Result<(), SinkError>) {
    let listener = Listener::answering(answers);
    let settings = OtlpSettings {
        endpoint: listener.url(""),
        ..OtlpSettings::default()
    };
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let mut sink = OtlpSink::new(&settings, Count::default(), None, handle).unwrap();
    assert_eq!(sink.name(), "otlp");
    let kept = sink.write(batch);
    let requests = listener.requests();
    for request in &requests {
        assert!(request.head.starts_with("post /v1/logs http/1.1\r\n"));
        assert!(
            request
                .head
                .contains("\r\ncontent-type: application/json\r\n")
        );
    }
    let bodies = requests.iter().map(|it| serde_json::from_str(&it.body));
    (bodies.map(Result::unwrap).collect(), kept)
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "intValue": value } })
}

#[test]
fn a_record_has_the_fields_of_the_json_mapping() {
    let batch = [Arc::new(full())];
    let (mut requests, kept) = send([answer(200, "", "{}")], &batch);
    assert_eq!(kept, Ok(()));
    let log = &mut requests[0]["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let line = log["body"]["stringValue"].take();
    let line: Value = serde_json::from_str(line.as_str().unwrap()).unwrap();
    assert_eq!(line["tool"], "chat");
    assert_eq!(line["sequence"], 1);
    let expected = json!({ "resourceLogs": [{
        "resource": { "attributes": [
            text("service.name", "keyward"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ] },
        "scopeLogs": [{
            "scope": { "name": "keyward.audit" },
            "logRecords": [{
                "timeUnixNano": "1767323045000006000",
                "observedTimeUnixNano": "1767323045000006000",
                "severityNumber": 13,
                "severityText": "WARN",
                "eventName": "policy_decision",
                "body": { "stringValue": null },
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                "attributes": [
                    text("event.name", "policy_decision"),
                    text("keyward.instance", "0123456789abcdef"),
                    text("keyward.request_id", "r"),
                    text("keyward.principal", "alice"),
                    text("keyward.principal.kind", "local"),
                    text("keyward.client", "editor"),
                    text("keyward.tool", "chat"),
                    text("keyward.model", "m"),
                    text("keyward.provider", "p"),
                    text("keyward.secret", "openai"),
                    text("keyward.verdict", "deny"),
                    text("keyward.outcome", "refused"),
                    text("keyward.code", "denied"),
                    number("keyward.tokens.input", "18446744073709551615"),
                    number("keyward.tokens.output", "2"),
                    number("keyward.duration_us", "3"),
                    number("keyward.bytes_in", "4"),
                    number("keyward.bytes_out", "5"),
                    { "key": "keyward.rules", "value": { "arrayValue": { "values": [
                        { "stringValue": "no-codes" },
                    ] } } },
                ],
            }],
        }],
    }] });
    assert_eq!(requests[0], expected);
}

#[test]
fn what_does_not_apply_is_left_out_and_what_is_no_trace_is_none() {
    for wrong in [
        "4bf92f3577b34da6a3ce929d0e0e473",
        "00000000000000000000000000000000",
        "4bf92f3577b34da6a3ce929d0e0e473g",
    ] {
        let mut record = Record::new(Event::ServerStarted);
        record.trace_id = Some(wrong.to_owned());
        let (requests, _) = send([answer(200, "", "")], &[Arc::new(record)]);
        let log = &requests[0]["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(log.get("traceId"), None, "{wrong}");
        let attributes = &log["attributes"];
        assert_eq!(*attributes, json!([text("event.name", "server_started")]));
    }
}

#[test]
fn records_keep_their_order_within_and_between_requests() {
    let long = "x".repeat(300 * 1024);
    let batch = batch(&["a", "b", &long, &long]);
    let answers = [answer(200, "", "{}"), answer(200, "", "{}")];
    let (requests, kept) = send(answers, &batch);
    assert_eq!(kept, Ok(()));
    let told: Vec<Vec<u64>> = requests
        .iter()
        .map(|request| {
            let logs = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
            let logs = logs.as_array().unwrap().iter();
            logs.map(|log| told(log["body"]["stringValue"].as_str().unwrap()).0)
                .collect()
        })
        .collect();
    assert_eq!(told, [vec![1, 2, 3], vec![4]]);
}

#[test]
fn a_batch_of_which_a_part_was_rejected_is_not_kept() {
    let partial =
        r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"canary is too old"}}"#;
    let (requests, kept) = send([answer(200, "", partial)], &batch(&["a", "b"]));
    assert_eq!(requests.len(), 1);
    let error = kept.unwrap_err();
    assert!(error.0.ends_with("it rejected a part of the records"));
    assert!(!error.0.contains("canary"), "{error}");
}

#[test]
fn an_answer_that_cannot_be_read_keeps_nothing() {
    let login = "<html>log in first</html>".to_owned();
    for body in [login, "x".repeat(64 * 1024 + 1)] {
        let (_, kept) = send([answer(200, "", &body)], &batch(&["a"]));
        assert!(kept.is_err());
    }
}

#[test]
fn a_busy_collector_is_asked_again() {
    let answers = [
        answer(429, "retry-after: 0\r\n", "{}"),
        answer(200, "", "{}"),
    ];
    let (requests, kept) = send(answers, &batch(&["a"]));
    assert_eq!(kept, Ok(()));
    assert_eq!(requests[0], requests[1]);
}

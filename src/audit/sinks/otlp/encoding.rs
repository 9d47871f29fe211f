//! A batch as `ExportLogsServiceRequest` (opentelemetry-proto, `logs/v1/logs.proto` and
//! `common/v1/common.proto`) in JSON.
//!
//! The mapping is protobuf's, with OTLP's own rules ("JSON Protobuf Encoding"): names in
//! lowerCamelCase, 64-bit integers as strings of decimal digits, enums as numbers, a trace's id in
//! hexadecimal. A record's line is the body, whole; attributes repeat what one filters by.

use std::borrow::Cow;

use serde::Serialize;

use crate::audit::{
    Record,
    sinks::labels::{Severity, event_name},
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportLogsServiceRequest<'a> {
    resource_logs: [ResourceLogs<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    resource: Resource<'a>,
    scope_logs: [ScopeLogs<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Resource<'a> {
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    scope: Scope,
    log_records: Vec<LogRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct Scope {
    name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord<'a> {
    time_unix_nano: String,
    observed_time_unix_nano: String,
    severity_number: u8,
    severity_text: &'static str,
    /// Newer than the attribute `event.name`, which older collectors know.
    event_name: String,
    body: AnyValue<'a>,
    attributes: Vec<KeyValue<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct KeyValue<'a> {
    key: &'static str,
    value: AnyValue<'a>,
}

#[derive(Debug, Serialize)]
enum AnyValue<'a> {
    #[serde(rename = "stringValue")]
    String(Cow<'a, str>),
    #[serde(rename = "intValue")]
    Int(String),
    #[serde(rename = "arrayValue")]
    Array { values: Vec<AnyValue<'a>> },
}

impl<'a> ExportLogsServiceRequest<'a> {
    /// The request that carries `records`, each with its line.
    pub(super) fn new(records: impl Iterator<Item = (&'a Record, &'a str)>) -> Self {
        let resource = Resource {
            attributes: vec![
                text("service.name", "keyward"),
                text("service.version", env!("CARGO_PKG_VERSION")),
            ],
        };
        let scope = ScopeLogs {
            scope: Scope {
                name: "keyward.audit",
            },
            log_records: records.map(|(record, line)| log(record, line)).collect(),
        };
        Self {
            resource_logs: [ResourceLogs {
                resource,
                scope_logs: [scope],
            }],
        }
    }
}

fn log<'a>(record: &'a Record, line: &'a str) -> LogRecord<'a> {
    // A fixed64: nothing before 1970.
    let time = record.time.as_nanosecond().max(0).to_string();
    // `SeverityNumber`: the first of each range.
    let (severity_number, severity_text) = match Severity::of(record) {
        Severity::Info => (9, "INFO"),
        Severity::Warning => (13, "WARN"),
        Severity::Error => (17, "ERROR"),
    };
    LogRecord {
        time_unix_nano: time.clone(),
        observed_time_unix_nano: time,
        severity_number,
        severity_text,
        event_name: event_name(record.event),
        body: AnyValue::String(line.into()),
        attributes: attributes(record),
        trace_id: record.trace_id.as_deref().and_then(trace_id),
    }
}

fn attributes(record: &Record) -> Vec<KeyValue<'_>> {
    let Record {
        principal,
        client,
        tokens,
        secret,
        decision,
        ..
    } = record;
    let words = [
        ("keyward.instance", record.instance.as_deref()),
        ("keyward.request_id", record.request_id.as_deref()),
        ("keyward.principal", principal.as_ref().map(|it| &*it.id)),
        (
            "keyward.principal.kind",
            principal.as_ref().and_then(|it| it.kind),
        ),
        ("keyward.client", client.as_ref().map(|it| &*it.name)),
        ("keyward.tool", record.tool.as_deref()),
        ("keyward.model", record.model.as_deref()),
        ("keyward.provider", record.provider.as_deref()),
        ("keyward.secret", secret.as_ref().map(|it| &*it.name)),
        ("keyward.verdict", decision.as_ref().map(|it| it.verdict)),
        ("keyward.outcome", record.outcome),
        ("keyward.code", record.code.as_deref()),
    ];
    let numbers = [
        ("keyward.tokens.input", tokens.map(|it| it.input)),
        ("keyward.tokens.output", tokens.map(|it| it.output)),
        ("keyward.duration_us", record.duration_us),
        ("keyward.bytes_in", record.bytes_in),
        ("keyward.bytes_out", record.bytes_out),
    ];
    let rules = decision.as_ref().map(|it| &it.rules);
    let rules = rules
        .filter(|rules| !rules.is_empty())
        .map(|rules| KeyValue {
            key: "keyward.rules",
            value: AnyValue::Array {
                values: rules.iter().map(|id| AnyValue::String(id.into())).collect(),
            },
        });
    let words = words
        .into_iter()
        .filter_map(|(key, value)| Some(text(key, value?)));
    let numbers = numbers.into_iter().filter_map(|(key, value)| {
        let value = AnyValue::Int(value?.to_string());
        Some(KeyValue { key, value })
    });
    let name = text("event.name", event_name(record.event));
    let name = std::iter::once(name);
    name.chain(words).chain(numbers).chain(rules).collect()
}

fn text<'a>(key: &'static str, value: impl Into<Cow<'a, str>>) -> KeyValue<'a> {
    KeyValue {
        key,
        value: AnyValue::String(value.into()),
    }
}

/// A trace's id, if it is one: 16 bytes, not all of them zero (W3C Trace Context, section 3.2.2.3).
/// A collector would refuse the whole batch for another.
fn trace_id(text: &str) -> Option<String> {
    let is_id = text.len() == 32
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0');
    is_id.then(|| text.to_ascii_lowercase())
}

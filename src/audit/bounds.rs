//! How much of a record is kept. Clients choose names, paths and arguments, so they must not be
//! able to choose the length of a line or fill a queue: what is too long is cut before it is
//! queued, and `detail` says what was.
//!
//! The parts add up to less than [`MAX_LINE`](super::chain::MAX_LINE), and clear arguments are
//! nested less deeply than JSON readers accept, so that what was written can be read back.

use std::mem;

use serde_json::Value;

use super::Record;

/// The longest name: of a tool, a model, a principal …
const NAME_BYTES: usize = 256;
/// The longest text: a reason, a detail.
const TEXT_BYTES: usize = 1024;
/// The longest path.
const PATH_BYTES: usize = 4096;
/// How deep clear arguments may be nested. serde_json refuses 128.
const DEPTH: usize = 64;
/// What a member takes besides its name and value, at most: quotes, colon, comma, braces.
const PUNCTUATION: usize = 24;
/// The most that a number takes.
const NUMBER: usize = 25;

/// Bytes of JSON that each of the parts may take that have no length of their own.
const ARGUMENTS: usize = 256 * 1024;
const HASHES: usize = 128 * 1024;
const FILES: usize = 256 * 1024;
const LIST: usize = 32 * 1024;

/// Cuts `record` to what is kept of it; returns about how many bytes it takes.
pub(super) fn cut(record: &mut Record) -> usize {
    let mut cut = Vec::new();
    let mut took = 0;
    let mut part = |name: &'static str, (size, is_whole): (usize, bool)| {
        took += size;
        if !is_whole {
            cut.push(name);
        }
    };

    let names = [
        ("instance", &mut record.instance),
        ("request_id", &mut record.request_id),
        ("trace_id", &mut record.trace_id),
        ("tool", &mut record.tool),
        ("model", &mut record.model),
        ("provider", &mut record.provider),
        ("code", &mut record.code),
        ("config_digest", &mut record.config_digest),
    ];
    for (name, text) in names {
        part(name, shorten_each(text, NAME_BYTES));
    }
    if let Some(client) = &mut record.client {
        let texts = [&mut client.name, &mut client.version];
        part("client", shorten_each(texts, NAME_BYTES));
    }
    if let Some(principal) = &mut record.principal {
        part("principal", shorten(&mut principal.id, NAME_BYTES));
        part("groups", keep_names(&mut principal.groups));
    }
    if let Some(secret) = &mut record.secret {
        let texts = [&mut secret.name, &mut secret.consumer].into_iter();
        let texts = texts.chain(&mut secret.provider).chain(&mut secret.version);
        part("secret", shorten_each(texts, NAME_BYTES));
    }
    if let Some(decision) = &mut record.decision {
        part("rules", keep_names(&mut decision.rules));
        part("reason", shorten_each(&mut decision.reason, TEXT_BYTES));
    }
    part("secrets", keep_names(&mut record.secrets));
    part("detail", shorten_each(&mut record.detail, TEXT_BYTES));
    part(
        "files",
        keep(&mut record.files, FILES, |file| {
            let (size, is_whole) = shorten(&mut file.path, PATH_BYTES);
            let size = size + NUMBER + written(&file.sha256);
            (size + 2 * PUNCTUATION, is_whole)
        }),
    );
    part("arguments_hmac", {
        let mut hashes: Vec<_> = mem::take(&mut record.arguments_hmac).into_iter().collect();
        let kept = keep(&mut hashes, HASHES, |(name, hash)| {
            let (size, is_whole) = shorten(name, NAME_BYTES);
            (size + written(hash) + PUNCTUATION, is_whole)
        });
        record.arguments_hmac = hashes.into_iter().collect();
        kept
    });
    let arguments = record.arguments.as_ref();
    part(
        "arguments",
        match arguments.map(|arguments| weigh(arguments, DEPTH, ARGUMENTS)) {
            None => (0, true),
            Some(Some(left)) => (ARGUMENTS - left, true),
            Some(None) => {
                record.arguments = None;
                (0, false)
            }
        },
    );

    if !cut.is_empty() {
        let detail = record.detail.get_or_insert_default();
        let gap = if detail.is_empty() { "" } else { "; " };
        detail.push_str(gap);
        detail.push_str("too long, and cut: ");
        detail.push_str(&cut.join(", "));
    }
    took
}

/// Bytes that `text` takes in JSON (RFC 8785, section 3.2.2.2).
fn written(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | 8 | 9 | 10 | 12 | 13 => 2,
        0..32 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// Cuts `text` to `max` bytes as written; returns how many it takes, and whether it is whole.
fn shorten(text: &mut String, max: usize) -> (usize, bool) {
    let size = written(text);
    if size <= max {
        return (size, true);
    }
    let mut size = '…'.len_utf8();
    let mut end = 0;
    let mut buffer = [0; 4];
    for c in text.chars() {
        size += written(c.encode_utf8(&mut buffer));
        if size > max {
            break;
        }
        end += c.len_utf8();
    }
    text.truncate(end);
    text.push('…');
    (max, false)
}

fn shorten_each<'a>(texts: impl IntoIterator<Item = &'a mut String>, max: usize) -> (usize, bool) {
    texts.into_iter().fold((0, true), |(took, is_whole), text| {
        let (size, whole) = shorten(text, max);
        (took + size, is_whole && whole)
    })
}

fn keep_names(names: &mut Vec<String>) -> (usize, bool) {
    keep(names, LIST, |name| {
        let (size, is_whole) = shorten(name, NAME_BYTES);
        (size + PUNCTUATION, is_whole)
    })
}

/// Keeps as many of `items` as take `budget` bytes; `size_of` shortens one and says what it takes.
fn keep<T>(
    items: &mut Vec<T>,
    budget: usize,
    mut size_of: impl FnMut(&mut T) -> (usize, bool),
) -> (usize, bool) {
    let (mut took, mut is_whole) = (0, true);
    let mut kept = 0;
    for item in items.iter_mut() {
        let (size, whole) = size_of(item);
        if took + size > budget {
            is_whole = false;
            break;
        }
        took += size;
        is_whole &= whole;
        kept += 1;
    }
    items.truncate(kept);
    (took, is_whole)
}

/// What is left of `budget` once `value` is written; `None` if it does not suffice, or `value` is
/// nested more than `depth` deep.
fn weigh(value: &Value, depth: usize, budget: usize) -> Option<usize> {
    let own = match value {
        Value::String(text) => written(text) + PUNCTUATION,
        _ => NUMBER,
    };
    let left = budget.checked_sub(own)?;
    match value {
        Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            items
                .iter()
                .try_fold(left, |left, item| weigh(item, depth, left))
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1)?;
            members.iter().try_fold(left, |left, (name, below)| {
                let left = left.checked_sub(written(name) + PUNCTUATION)?;
                weigh(below, depth, left)
            })
        }
        _ => Some(left),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::audit::{
        Chain, Event, RecordedClient, RecordedDecision, RecordedFile, RecordedPrincipal,
        RecordedSecret,
        chain::{Link, MAX_LINE},
    };

    fn monstrous(text: &str) -> Record {
        let many = || vec![text.to_owned(); 3000];
        Record {
            instance: Some(text.into()),
            request_id: Some(text.into()),
            trace_id: Some(text.into()),
            tool: Some(text.into()),
            model: Some(text.into()),
            provider: Some(text.into()),
            code: Some(text.into()),
            config_digest: Some(text.into()),
            detail: Some(text.into()),
            client: Some(RecordedClient {
                name: text.into(),
                version: text.into(),
            }),
            principal: Some(RecordedPrincipal {
                id: text.into(),
                kind: Some("local"),
                groups: many(),
            }),
            secret: Some(RecordedSecret {
                name: text.into(),
                consumer: text.into(),
                provider: Some(text.into()),
                version: Some(text.into()),
            }),
            decision: Some(RecordedDecision {
                direction: "input",
                verdict: "deny",
                rules: many(),
                reason: Some(text.into()),
            }),
            secrets: many(),
            files: many()
                .into_iter()
                .map(|path| RecordedFile {
                    path,
                    size: 1,
                    sha256: "0".repeat(64),
                })
                .collect(),
            arguments_hmac: (0..5000)
                .map(|index| (format!("{index}{text}"), "0".repeat(64)))
                .collect(),
            arguments: Some(json!({ "prompt": text.repeat(10) })),
            ..Record::new(Event::CallAccepted)
        }
    }

    #[test]
    fn no_record_is_longer_than_a_reader_accepts_however_long_its_parts_are() {
        for text in [
            "x".repeat(100_000),
            "\u{1}".repeat(100_000),
            "é\"🙂".repeat(20_000),
        ] {
            let mut record = monstrous(&text);
            let took = cut(&mut record);
            let line = Chain::new().seal_all(&[Arc::new(record)]).unwrap();
            assert!(line.len() < MAX_LINE, "{}", line.len());
            assert!(took + 4096 > line.len(), "{took} {}", line.len());
            let link = Link::read(line.trim_end().as_bytes()).unwrap();
            let detail = link.record["detail"].as_str().unwrap();
            assert!(
                detail.contains("cut: ") && detail.contains("arguments") && detail.contains("tool"),
                "{detail}"
            );
            assert!(link.record["tool"].as_str().unwrap().ends_with('…'));
        }
    }

    #[test]
    fn many_short_parts_are_counted_with_what_stands_around_them() {
        let short = || vec!["a".to_owned(); 1000];
        let files = short().into_iter();
        let files = files
            .map(|path| RecordedFile {
                path,
                size: 1,
                sha256: "0".repeat(64),
            })
            .collect();
        let hashes = (0..1000).map(|index| (index.to_string(), "0".repeat(64)));
        let empty = Record::new(Event::CallAccepted);
        for mut record in [
            Record {
                files,
                ..empty.clone()
            },
            Record {
                secrets: short(),
                ..empty.clone()
            },
            Record {
                arguments_hmac: hashes.collect(),
                ..empty
            },
        ] {
            let took = cut(&mut record);
            assert_eq!(record.detail, None);
            let line = Chain::new().seal(&record).unwrap();
            assert!(line.len() < took + 4096, "{took} {}", line.len());
        }
    }

    #[test]
    fn arguments_that_a_reader_could_not_take_are_left_out() {
        let mut deep = json!(1);
        for _ in 0..64 {
            deep = json!([deep]);
        }
        let mut record = Record::new(Event::CallAccepted);
        record.arguments = Some(deep.clone());
        cut(&mut record);
        assert_eq!(record.arguments, Some(deep.clone()));
        assert_eq!(record.detail, None);
        let line = Chain::new().seal(&record).unwrap();
        assert!(Link::read(line.as_bytes()).is_ok());

        record.arguments = Some(json!([deep]));
        cut(&mut record);
        assert_eq!(record.arguments, None);
        assert_eq!(record.detail.unwrap(), "too long, and cut: arguments");
    }

    #[test]
    fn an_ordinary_record_is_left_as_it_is() {
        let mut record = monstrous("a");
        record.secrets.truncate(3);
        record.files.truncate(3);
        record.principal.as_mut().unwrap().groups.truncate(3);
        record.decision.as_mut().unwrap().rules.truncate(3);
        record.arguments_hmac = [("prompt".to_owned(), "0".repeat(64))].into();
        let before = serde_json::to_value(&record).unwrap();
        let took = cut(&mut record);
        assert_eq!(serde_json::to_value(&record).unwrap(), before);
        assert!((100..2000).contains(&took), "{took}");
    }
}

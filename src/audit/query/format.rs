//! How a record is shown: as a line of a table, as the line that it is, or as a row of CSV.
//!
//! Parts of records are chosen by clients, so what is made for a terminal or a spreadsheet holds
//! nothing that either would obey. JSON is passed on byte for byte, so that it can be verified.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::filter::text;
use crate::audit::shown;

/// How records are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// A line each, for people.
    #[default]
    Table,
    /// A line each, as it is in the file.
    Json,
    /// RFC 4180, with a header.
    Csv,
}

const COLUMNS: [(&str, usize); 7] = [
    ("TIME", 27),
    ("RECORD", 6),
    ("EVENT", 15),
    ("PRINCIPAL", 12),
    ("TOOL OR SECRET", 16),
    ("DECISION", 10),
    ("OUTCOME", 10),
];
const LAST_COLUMN: &str = "DETAIL";

/// Columns of CSV, each with the keys that lead to it.
const CSV: [&[&str]; 26] = [
    &["sequence"],
    &["time"],
    &["event"],
    &["instance"],
    &["request_id"],
    &["trace_id"],
    &["principal", "id"],
    &["principal", "kind"],
    &["client", "name"],
    &["client", "version"],
    &["tool"],
    &["model"],
    &["provider"],
    &["tokens", "input"],
    &["tokens", "output"],
    &["secret", "name"],
    &["secret", "version"],
    &["decision", "direction"],
    &["decision", "verdict"],
    &["decision", "rules"],
    &["decision", "reason"],
    &["outcome"],
    &["code"],
    &["detail"],
    &["count"],
    &["duration_us"],
];

impl Format {
    pub(super) fn write_header(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Table => {
                write_columns(out, COLUMNS.map(|(name, _)| name.to_owned()), LAST_COLUMN)
            }
            Self::Json => Ok(()),
            Self::Csv => write_row(out, CSV.iter().map(|keys| keys.join("_"))),
        }
    }

    /// Shows `record`, which is what `line` says.
    pub(super) fn write(
        self,
        out: &mut dyn Write,
        line: &[u8],
        record: &Map<String, Value>,
    ) -> io::Result<()> {
        match self {
            Self::Table => write_table_line(out, record),
            Self::Json => {
                out.write_all(line)?;
                out.write_all(b"\n")
            }
            Self::Csv => write_row(out, CSV.iter().map(|keys| plain(record, keys))),
        }
    }
}

fn write_table_line(out: &mut dyn Write, record: &Map<String, Value>) -> io::Result<()> {
    let at = |keys: &[&str]| plain(record, keys);
    let subject = match text(record, &["secret", "name"]) {
        Some(secret) => secret.to_owned(),
        None => at(&["tool"]),
    };
    let count = record
        .get("count")
        .map(|count| format!("{count} in number"));
    let details = [
        at(&["code"]),
        at(&["decision", "rules"]),
        at(&["decision", "reason"]),
        count.unwrap_or_default(),
        at(&["detail"]),
    ];
    let details: Vec<_> = details
        .into_iter()
        .filter(|detail| !detail.is_empty())
        .collect();
    let columns = [
        at(&["time"]),
        at(&["sequence"]),
        at(&["event"]),
        at(&["principal", "id"]),
        subject,
        at(&["decision", "verdict"]),
        at(&["outcome"]),
    ];
    write_columns(
        out,
        columns.map(|column| shown(&column)),
        &shown(&details.join("; ")),
    )
}

fn write_columns(out: &mut dyn Write, columns: [String; 7], last: &str) -> io::Result<()> {
    let mut line = String::new();
    for (column, (_, width)) in columns.iter().zip(COLUMNS) {
        // What is empty would shift what follows out of sight.
        let column = if column.is_empty() { "-" } else { column };
        line.push_str(&format!("{column:<width$}  "));
    }
    line.push_str(last);
    writeln!(out, "{}", line.trim_end())
}

/// RFC 4180, section 2.
fn write_row(out: &mut dyn Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    let cells: Vec<String> = cells.map(|text| cell(&text)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// A cell that a spreadsheet takes for text: one that begins like a formula is set off.
fn cell(text: &str) -> String {
    let mut text = shown(text);
    if text.starts_with(['=', '+', '-', '@']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"']) {
        text = format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

/// The value at the end of `keys`, without quotes; a list joined by spaces.
fn plain(record: &Map<String, Value>, keys: &[&str]) -> String {
    let Some((first, rest)) = keys.split_first() else {
        return String::new();
    };
    let found = record.get(*first);
    let found = found.and_then(|value| rest.iter().try_fold(value, |value, key| value.get(key)));
    match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let texts: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            texts.join(" ")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn record(text: &str) -> Map<String, Value> {
        let record = json!({
            "sequence": 7, "time": "2026-01-31T09:00:00Z", "event": "policy_decision",
            "principal": { "id": text, "kind": "local" }, "client": { "name": text },
            "tool": text, "outcome": "denied", "code": "policy",
            "decision": { "verdict": "deny", "rules": ["a", text], "reason": text },
        });
        record.as_object().unwrap().clone()
    }

    fn written(format: Format, text: &str) -> String {
        let record = record(text);
        let mut out = Vec::new();
        format
            .write(&mut out, b"{\"the\":\"line\"}", &record)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_for_people() {
        let mut out = Vec::new();
        Format::Table.write_header(&mut out).unwrap();
        let mut decided = record("chat");
        decided.remove("outcome");
        Format::Table.write(&mut out, b"", &decided).unwrap();
        let secret = json!({ "time": "2026-01-31T09:00:01Z", "sequence": 8, "count": 3,
                             "event": "secret_used", "secret": { "name": "openai" } });
        Format::Table
            .write(&mut out, b"", secret.as_object().unwrap())
            .unwrap();
        let expected = [
            "TIME                         RECORD  EVENT            PRINCIPAL     TOOL OR SECRET    \
             DECISION    OUTCOME     DETAIL",
            "2026-01-31T09:00:00Z         7       policy_decision  chat          chat              \
             deny        -           policy; a chat; chat",
            "2026-01-31T09:00:01Z         8       secret_used      -             openai            \
             -           -           3 in number",
        ];
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn json_is_the_line_itself() {
        assert_eq!(written(Format::Json, "chat"), "{\"the\":\"line\"}\n");
    }

    #[test]
    fn csv_quotes_what_would_end_a_cell_and_sets_off_what_would_be_a_formula() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        assert_eq!(
            cell("=HYPERLINK(\"x\",\"y\")"),
            "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""
        );
        assert_eq!(cell("\t=1"), "\\u{9}=1");
        let mut out = Vec::new();
        Format::Csv.write_header(&mut out).unwrap();
        let header = String::from_utf8(out).unwrap();
        assert!(header.starts_with("sequence,time,event,"));
        let row = written(Format::Csv, "chat");
        assert_eq!(row.matches(',').count(), header.matches(',').count());
        assert!(row.contains(",deny,a chat,chat,denied,policy,"), "{row}");
    }

    proptest! {
        #[test]
        fn nothing_in_a_record_controls_a_terminal_or_makes_another_line(text in any::<String>()) {
            for format in [Format::Table, Format::Csv] {
                let written = written(format, &text);
                let line = written.trim_end_matches(['\r', '\n']);
                prop_assert!(!line.contains(char::is_control), "{line:?}");
            }
        }
    }
}

//! Which records a query shows, from files that others write meanwhile.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::audit::{Event, FileSettings, FileSink, Fsync, Record, Sink};

fn audit_in(folder: &TempDir, rotate_bytes: u64) -> (FileSink, [PathBuf; 1]) {
    let settings = FileSettings {
        path: "audit.jsonl".into(),
        rotate_bytes,
        rotate_after: None,
        keep: None,
        fsync: Fsync::Never,
        checkpoints: None,
    };
    let sink = FileSink::new(settings, folder.path(), Arc::new(|| None)).unwrap();
    (sink, [folder.path().join("audit.jsonl")])
}

fn keep(sink: &mut FileSink, tools: impl IntoIterator<Item = usize>) {
    for tool in tools {
        let mut record = Record::new(Event::CallAccepted);
        record.tool = Some(tool.to_string());
        sink.write(&[Arc::new(record)]).unwrap();
    }
}

fn tools(out: &[u8]) -> Vec<String> {
    let lines = std::str::from_utf8(out).unwrap().lines();
    let tool = |line| serde_json::from_str::<Value>(line).unwrap()["tool"].clone();
    lines
        .map(|line| tool(line).as_str().unwrap().to_owned())
        .collect()
}

fn ask(files: &[PathBuf], filter: &Filter, limit: Option<usize>) -> (Summary, Vec<u8>) {
    let mut out = Vec::new();
    let what = Query {
        files,
        filter,
        limit,
        format: Format::Json,
    };
    let summary = query(&what, &mut out, &mut || false).unwrap();
    (summary, out)
}

#[test]
fn what_is_meant_is_shown_and_no_more_than_the_last_so_many() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, files) = audit_in(&folder, u64::MAX);
    keep(&mut sink, 0..10);
    let (summary, out) = ask(&files, &Filter::default(), None);
    assert_eq!((summary.shown, tools(&out).len()), (10, 10));
    assert_eq!(out, fs::read(&files[0]).unwrap());
    let (_, out) = ask(&files, &Filter::default(), Some(3));
    assert_eq!(tools(&out), ["7", "8", "9"]);
    let one = Filter {
        tool: Some("4".into()),
        ..Filter::default()
    };
    assert_eq!(tools(&ask(&files, &one, Some(3)).1), ["4"]);
}

#[test]
fn what_is_no_record_is_counted_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, files) = audit_in(&folder, u64::MAX);
    keep(&mut sink, 0..2);
    let text = fs::read_to_string(&files[0]).unwrap();
    fs::write(&files[0], format!("garbage\n[]\n{text}{{\"unfin")).unwrap();
    let (summary, out) = ask(&files, &Filter::default(), None);
    assert_eq!(
        summary,
        Summary {
            shown: 2,
            unreadable: 2
        }
    );
    assert_eq!(tools(&out), ["0", "1"]);
}

#[test]
fn following_misses_nothing_however_often_files_are_closed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, files) = audit_in(&folder, 700);
    keep(&mut sink, 0..3);
    let mut out = Vec::new();
    let what = Query {
        files: &files,
        filter: &Filter::default(),
        limit: Some(2),
        format: Format::Json,
    };
    let mut rounds = [3..4, 4..4, 4..5, 5..30, 30..31].into_iter();
    let mut wait = || {
        let Some(round) = rounds.next() else {
            return false;
        };
        keep(&mut sink, round);
        true
    };
    let summary = query(&what, &mut out, &mut wait).unwrap();
    let expected: Vec<String> = (1..31).map(|tool| tool.to_string()).collect();
    assert_eq!(tools(&out), expected);
    assert_eq!(summary.shown, 30);
    assert!(closed_files(&files[0]).unwrap().len() > 5);
}

#[test]
fn following_waits_for_a_file_that_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("audit.jsonl")];
    fs::write(&files[0], "{\"tool\":\"a\"}\n").unwrap();
    let mut out = Vec::new();
    let what = Query {
        files: &files,
        filter: &Filter::default(),
        limit: None,
        format: Format::Json,
    };
    let mut round = 0;
    let mut wait = || {
        round += 1;
        match round {
            1 => fs::rename(&files[0], folder.path().join("elsewhere")).unwrap(),
            3 => fs::write(&files[0], "{\"tool\":\"b\"}\n").unwrap(),
            _ => {}
        }
        round < 4
    };
    query(&what, &mut out, &mut wait).unwrap();
    assert_eq!(tools(&out), ["a", "b"]);
}

#[test]
fn a_line_that_is_being_written_is_shown_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("audit.jsonl")];
    fs::write(&files[0], "{\"tool\":\"a\"}\n{\"to").unwrap();
    let mut out = Vec::new();
    let what = Query {
        files: &files,
        filter: &Filter::default(),
        limit: None,
        format: Format::Json,
    };
    let mut rounds = ["ol\":", "\"b\"}\n"].into_iter();
    let mut wait = || {
        let next = rounds.next();
        let mut file = File::options().append(true).open(&files[0]).unwrap();
        next.is_some_and(|next| file.write_all(next.as_bytes()).is_ok())
    };
    query(&what, &mut out, &mut wait).unwrap();
    assert_eq!(tools(&out), ["a", "b"]);
}

#[test]
fn a_reader_that_has_gone_ends_the_query_and_a_missing_file_is_an_error() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, files) = audit_in(&folder, u64::MAX);
    let ask = |format| {
        let what = Query {
            files: &files,
            filter: &Filter::default(),
            limit: None,
            format,
        };
        query(&what, &mut Gone, &mut || true)
    };
    let error = ask(Format::Json).unwrap_err();
    assert!(error.to_string().contains("audit.jsonl"));
    keep(&mut sink, 0..2);
    for format in [Format::Json, Format::Table, Format::Csv] {
        assert!(ask(format).is_ok());
    }
}

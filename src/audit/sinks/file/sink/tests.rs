//! The file sink on real files: shared, full, torn, rotated and tampered with.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::MetadataExt,
    thread,
};

use tempfile::TempDir;

use super::*;
use crate::audit::{Event, Report, Verification, verify};

mod checkpoints;
mod processes;

fn settings() -> FileSettings {
    FileSettings {
        path: "audit.jsonl".into(),
        rotate_bytes: u64::MAX,
        rotate_after: None,
        keep: None,
        fsync: Fsync::Never,
        checkpoints: None,
    }
}

fn sink_with(folder: &Path, settings: FileSettings) -> FileSink {
    let sink = FileSink::new(settings, folder, Arc::new(|| None)).unwrap();
    assert_eq!(sink.name(), "file");
    sink
}

fn sink(folder: &Path) -> FileSink {
    sink_with(folder, settings())
}

fn batch(tools: &[&str]) -> Vec<Arc<Record>> {
    let record = |tool: &&str| {
        let mut record = Record::new(Event::CallAccepted);
        record.tool = Some((*tool).to_owned());
        record.instance = Some("0123456789abcdef".to_owned());
        Arc::new(record)
    };
    tools.iter().map(record).collect()
}

fn keep(sink: &mut FileSink, tools: &[&str]) {
    sink.write(&batch(tools)).unwrap();
}

fn refusal(sink: &mut FileSink) -> String {
    sink.write(&batch(&["refused"])).unwrap_err().to_string()
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("audit.jsonl")
}

/// All files of the audit, oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let path = folder.join("audit.jsonl");
    let closed = rotation::closed_files(&path).unwrap();
    closed
        .into_iter()
        .map(|closed| closed.path)
        .chain([path])
        .collect()
}

fn verified(files: &[PathBuf]) -> Report {
    verify(&Verification {
        files,
        begins_at: 1,
        checkpoints: None,
    })
    .unwrap()
}

/// The tool or the event of each record, if they are one whole chain.
fn told(folder: &Path) -> Vec<String> {
    let files = files(folder);
    let report = verified(&files);
    assert!(
        report.is_whole() && report.unfinished.is_empty(),
        "{report}"
    );
    let lines: String = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let tell = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let tool = record["tool"].as_str();
        tool.unwrap_or(record["event"].as_str().unwrap()).to_owned()
    };
    lines.lines().map(tell).collect()
}

/// Waits for what another thread or process does.
fn wait_until(is_done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_done() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it does not happen"
        );
        thread::yield_now();
    }
}

fn tamper(folder: &TempDir, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path(folder)).unwrap();
    fs::write(path(folder), change(text)).unwrap();
}

#[test]
fn the_chain_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    keep(&mut sink(folder.path()), &["a", "b"]);
    keep(&mut sink(folder.path()), &["c"]);
    assert_eq!(told(folder.path()), ["a", "b", "c"]);
    assert_eq!(fs::metadata(path(&folder)).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn an_unfinished_line_is_cut_off_and_told_whoever_left_it() {
    let folder = tempfile::tempdir().unwrap();
    let torn = "{\"event\":\"call_acc";
    let tear = || {
        let mut file = OpenOptions::new().append(true).open(path(&folder)).unwrap();
        file.write_all(torn.as_bytes()).unwrap();
    };
    let mut sink = sink(folder.path());
    keep(&mut sink, &["a"]);
    tear();
    keep(&mut sink, &["b"]);
    tear();
    drop(sink);
    keep(&mut self::sink(folder.path()), &["c"]);
    assert_eq!(
        told(folder.path()),
        ["a", "tail_healed", "b", "tail_healed", "c"]
    );

    let text = fs::read_to_string(path(&folder)).unwrap();
    let healed: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(healed["count"], torn.len());
    assert_eq!(healed["instance"], "0123456789abcdef");
    let hash = crate::audit::Hash::of(torn.as_bytes()).to_string();
    assert!(healed["detail"].as_str().unwrap().ends_with(&hash));
}

#[test]
fn a_file_of_nothing_but_an_unfinished_line_is_healed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(path(&folder), "{\"ev").unwrap();
    keep(&mut sink(folder.path()), &["a"]);
    assert_eq!(told(folder.path()), ["tail_healed", "a"]);
}

#[test]
fn nothing_is_added_to_a_file_whose_last_line_was_altered() {
    for alter in [
        |text: String| text.replace("\"tool\":\"b\"", "\"tool\":\"x\""),
        |text: String| text + "not a record\n",
        |text: String| text + "\n",
        |text: String| text + "{\"a\":1}\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        keep(&mut sink(folder.path()), &["a", "b"]);
        tamper(&folder, alter);
        let before = fs::read_to_string(path(&folder)).unwrap();
        let mut sink = sink(folder.path());
        for _ in 0..2 {
            let refusal = refusal(&mut sink);
            assert!(refusal.contains("changed or damaged") && refusal.contains("move it away"));
        }
        assert_eq!(fs::read_to_string(path(&folder)).unwrap(), before);
        fs::rename(path(&folder), folder.path().join("evidence")).unwrap();
        keep(&mut sink, &["c"]);
        assert_eq!(told(folder.path()), ["c"]);
    }
}

#[test]
fn a_file_that_was_cut_while_it_was_written_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path());
    keep(&mut sink, &["a", "b"]);
    tamper(&folder, |text| {
        text.split_inclusive('\n').next().unwrap().to_owned()
    });
    assert!(refusal(&mut sink).contains("records were cut off"));
    let evidence = folder.path().join("evidence.jsonl");
    fs::rename(path(&folder), &evidence).unwrap();
    keep(&mut sink, &["c"]);
    // The chain goes on from what this process knows, so that the cut shows.
    let report = verified(&[evidence, path(&folder)]);
    assert_eq!(report.fault.unwrap().sequence, Some(3));
}

#[test]
fn a_file_that_was_moved_away_is_gone_on_with_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (sink(folder.path()), sink(folder.path()));
    keep(&mut one, &["a"]);
    keep(&mut other, &["b"]);
    let moved = folder.path().join("moved.jsonl");
    fs::rename(path(&folder), &moved).unwrap();
    // The first has not seen the second's record, and must not fork the chain.
    keep(&mut one, &["c"]);
    keep(&mut other, &["d"]);
    let report = verified(&[moved, path(&folder)]);
    assert!(report.is_whole(), "{report}");
    assert_eq!(report.records, 4);
}

#[test]
fn a_full_file_is_closed_and_the_chain_goes_on_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let small = FileSettings {
        rotate_bytes: 600,
        ..settings()
    };
    let mut sink = sink_with(folder.path(), small.clone());
    let tools: Vec<String> = (0..20).map(|index| index.to_string()).collect();
    for tool in &tools {
        keep(&mut sink, &[tool]);
    }
    assert_eq!(told(folder.path()), tools);
    let files = files(folder.path());
    assert!(files.len() > 5);
    assert!(
        files[1].to_str().unwrap().ends_with("Z-000000000004.jsonl"),
        "{files:?}"
    );

    // A process that stopped between closing one file and beginning the next.
    fs::remove_file(&files[files.len() - 1]).unwrap();
    let before = told_of(&files[..files.len() - 1]);
    keep(&mut sink_with(folder.path(), small), &["after"]);
    let after = told(folder.path());
    assert_eq!(after[..before], tools[..before]);
    assert_eq!(after[before..], ["after"]);
}

fn told_of(files: &[PathBuf]) -> usize {
    let report = verified(files);
    assert!(report.is_whole());
    usize::try_from(report.records).unwrap()
}

#[test]
fn an_old_file_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let aging = FileSettings {
        rotate_after: Some(Duration::from_secs(3600)),
        ..settings()
    };
    let mut sink = sink_with(folder.path(), aging);
    let aged = |age: Duration| {
        let mut record = Record::new(Event::CallAccepted);
        record.time = Timestamp::now() - age;
        [Arc::new(record)]
    };
    sink.write(&aged(Duration::from_secs(3500))).unwrap();
    keep(&mut sink, &["a"]);
    assert_eq!(files(folder.path()).len(), 1);
    fs::remove_file(path(&folder)).unwrap();
    sink.write(&aged(Duration::from_secs(3700))).unwrap();
    keep(&mut sink, &["b"]);
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn closed_files_beyond_those_to_keep_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let few = FileSettings {
        rotate_bytes: 1,
        keep: Some(3),
        ..settings()
    };
    let mut sink = sink_with(folder.path(), few);
    for _ in 0..8 {
        keep(&mut sink, &["a"]);
    }
    let files = files(folder.path());
    assert_eq!(files.len(), 4);
    let report = verify(&Verification {
        files: &files,
        begins_at: 5,
        checkpoints: None,
    });
    assert!(report.unwrap().is_whole());
}

#[test]
fn a_file_that_cannot_be_closed_is_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let small = FileSettings {
        rotate_bytes: 1,
        ..settings()
    };
    let mut sink = sink_with(folder.path(), small);
    keep(&mut sink, &["a"]);
    let begun = sink.journal.as_ref().unwrap().begun().unwrap();
    let taken = rotation::closed_name(&path(&folder), begun.time, 1);
    fs::create_dir(&taken).unwrap();
    keep(&mut sink, &["b"]);
    assert_eq!(told(folder.path()), ["a", "b"]);
    fs::remove_dir(&taken).unwrap();
    keep(&mut sink, &["c"]);
    assert_eq!(files(folder.path()).len(), 2);
    assert_eq!(told(folder.path()), ["a", "b", "c"]);
}

#[test]
fn many_writers_to_one_file_make_one_chain_across_its_closings() {
    let folder = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for writer in 0..3 {
            let folder = folder.path();
            scope.spawn(move || {
                let small = FileSettings {
                    rotate_bytes: 8000,
                    ..settings()
                };
                let mut sink = sink_with(folder, small);
                for index in 0..100 {
                    keep(&mut sink, &[&format!("{writer}:{index}"), "second"]);
                }
            });
        }
    });
    let told = told(folder.path());
    assert_eq!(told.len(), 600);
    assert!(files(folder.path()).len() > 10);
    for writer in 0..3 {
        let own = told
            .iter()
            .filter_map(|tool| tool.strip_prefix(&format!("{writer}:")));
        let own: Vec<usize> = own.map(|index| index.parse().unwrap()).collect();
        assert_eq!(own, (0..100).collect::<Vec<_>>());
    }
    // A batch is never torn apart by another.
    assert!(
        told.chunks(2)
            .all(|pair| pair[0] != "second" && pair[1] == "second")
    );
}

#[test]
fn a_lock_that_is_never_given_back_is_waited_for_only_so_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path());
    keep(&mut sink, &["a"]);
    let other = fs::File::open(path(&folder)).unwrap();
    other.lock().unwrap();
    sink.lock_patience = Duration::ZERO;
    assert!(refusal(&mut sink).contains("another process keeps"));
    drop(other);
    keep(&mut sink, &["b"]);
    assert_eq!(told(folder.path()), ["a", "b"]);
}

#[test]
fn a_file_that_others_may_write_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(path(&folder), "").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(path(&folder), open).unwrap();
    assert!(refusal(&mut sink(folder.path())).contains("may be written"));
}

#[test]
fn what_is_not_forced_to_the_disk_at_once_is_so_when_it_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3600);
    for (fsync, left) in [
        (Fsync::Always, None),
        (Fsync::Never, None),
        (Fsync::Every(hour), Some(())),
    ] {
        let fresh = FileSettings {
            fsync,
            ..settings()
        };
        let mut sink = sink_with(folder.path(), fresh);
        assert_eq!(sink.tend(), None);
        keep(&mut sink, &["a"]);
        assert_eq!(
            sink.tend().map(|due| assert!(due <= hour)),
            left,
            "{fsync:?}"
        );
        sink.unsynced = sink.unsynced.map(|since| since - hour);
        assert_eq!(sink.tend(), None);
        assert_eq!(sink.unsynced.is_some(), fsync == Fsync::Never);
    }
}

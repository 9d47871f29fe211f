//! What takes processes of its own: to share a file, to be killed, to reach a limit that is a whole
//! process's.

use std::process::{Child, Command, Stdio};

use nix::sys::resource::{Resource, setrlimit};

use super::*;
use crate::audit::{Audit, NotRecorded, OnFailure};

/// Tells a child what to do: the folder.
const CHILD: &str = "KEYWARD_TEST_AUDIT_FOLDER";

/// Starts this program again, for one of the tests below that are ignored otherwise.
fn child(test: &str, folder: &Path) -> Child {
    let (_, module) = module_path!().split_once("::").unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("{module}::{test}"), "--exact", "--ignored"])
        .env(CHILD, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn folder_of_child() -> PathBuf {
    std::env::var_os(CHILD)
        .expect("started by another test")
        .into()
}

#[test]
fn processes_that_share_a_file_and_are_killed_leave_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let mut children: Vec<Child> = (0..3)
        .map(|_| child("child_that_writes_until_it_is_killed", folder.path()))
        .collect();
    for killed in 1..=6 {
        wait_until(|| fs::metadata(path(&folder)).is_ok_and(|found| found.len() > killed * 50_000));
        let mut victim = children.remove(0);
        victim.kill().unwrap();
        victim.wait().unwrap();
        if killed <= 3 {
            children.push(child("child_that_writes_until_it_is_killed", folder.path()));
        }
    }
    keep(&mut sink(folder.path()), &["last"]);
    assert_eq!(told(folder.path()).last().unwrap(), "last");
}

#[test]
#[ignore = "the child of another test"]
fn child_that_writes_until_it_is_killed() {
    let mut sink = sink(&folder_of_child());
    let long = "x".repeat(2000);
    // An end, should nobody come to kill it.
    for _ in 0..20_000 {
        keep(&mut sink, &["a", &long, "b"]);
    }
}

#[test]
fn a_full_disk_refuses_calls_leaves_no_half_line_and_is_gone_on_after() {
    let folder = tempfile::tempdir().unwrap();
    let status = child("child_whose_files_may_not_grow", folder.path())
        .wait()
        .unwrap();
    assert!(status.success());
    let told = told(folder.path());
    assert_eq!(told[told.len() - 2..], ["records_lost", "after"]);
    let text = fs::read_to_string(path(&folder)).unwrap();
    assert!(text.contains("\"count\":3"));
}

#[test]
#[ignore = "the child of another test"]
fn child_whose_files_may_not_grow() {
    let folder = folder_of_child();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink(&folder))];
        let audit = Audit::new(sinks, OnFailure::Block, Duration::from_secs(30)).unwrap();
        let call = |tool: String| {
            let mut record = Record::new(Event::CallAccepted);
            record.tool = Some(tool);
            audit.record(record)
        };
        // The limit is in the middle of a line, so that the write is first short, and then fails.
        setrlimit(Resource::RLIMIT_FSIZE, 10_000, 1_000_000).unwrap();
        let mut kept = 0;
        while call(format!("before {kept}")).await.is_ok() {
            kept += 1;
        }
        assert!(kept > 10);
        for _ in 0..2 {
            assert_eq!(call("refused".into()).await, Err(NotRecorded::Failed));
        }
        let file = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
        assert!(file.len() < 10_000 && file.ends_with('\n'));
        setrlimit(Resource::RLIMIT_FSIZE, 1_000_000, 1_000_000).unwrap();
        call("after".into()).await.unwrap();
        audit.close().await;
    });
}

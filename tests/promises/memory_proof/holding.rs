//! The first phase: a key that was fetched and is not yet sent.
//!
//! `keyward secrets check` fetches a key, prints a line about it and wipes it. Its standard output
//! is a pipe that is full, so that it stops in the middle of that line, with the key in hand.

use std::{io::Read as _, process::Stdio};

use keyward::secrets::memory::scanner::{Report, ScannedProcess};

use super::watched::scan;
use crate::support::{environment::wait_for, full_pipe::full_pipe, keyward::Setup};

/// Counts the copies of `key` in the command when it holds it.
pub fn fetched(setup: &Setup, key: &str) -> Report {
    let (mut reader, writer) = full_pipe();
    let mut command = setup.command(&["secrets", "check", "stand-in"]);
    command.stdin(Stdio::null()).stdout(writer);
    command.stderr(Stdio::null());
    let mut process = ScannedProcess::start(command).unwrap();
    // Two looks that agree: the store's connection has then been closed.
    let mut last: Option<Report> = None;
    let held = wait_for(|| {
        let [report] = scan_if_ready(&process, key)?;
        let settled =
            last.is_some_and(|last| (last.inside, last.outside) == (report.inside, report.outside));
        last = Some(report);
        last.filter(|report| settled && report.inside.full_copies > 0)
    });
    let held = held.expect("the key is fetched and held");
    drop(reader.read_to_end(&mut Vec::new()));
    assert!(process.child().wait().unwrap().success());
    held
}

/// `None` while the process has not reserved its pool.
fn scan_if_ready(process: &ScannedProcess, key: &str) -> Option<[Report; 1]> {
    use keyward::secrets::memory::scanner::Needle;
    let found = process.scan(&[Needle::new(key.as_bytes()).unwrap()]);
    found.unwrap()[0].pool_found.then(|| scan(process, [key]))
}

//! A process of the same user that comes later cannot look into a hardened one.

use std::{fs::File, io};

use keyward::secrets::memory::scanner::Canary;

use crate::{probe::Probe, tests};

tests![
    a_process_that_comes_later_is_denied_what_the_scanner_holds,
    without_hardening_the_same_user_reads_everything,
    a_hardened_process_may_leave_no_core,
];

const PRIVATE_FILES: [&str; 3] = ["mem", "environ", "smaps"];

fn open(id: u32, name: &str) -> io::Result<File> {
    let file = File::open(format!("/proc/{id}/{name}"))?;
    // `smaps` opens for anyone in some kernels, and refuses the read.
    let mut byte = [0];
    if name == "mem" {
        Ok(file)
    } else {
        io::Read::read(&mut &file, &mut byte).map(|_| file)
    }
}

fn a_process_that_comes_later_is_denied_what_the_scanner_holds() {
    let mut probe = Probe::start(&[]);
    let key = Canary::random(64);
    probe.tell("heap", key.as_bytes());
    for name in PRIVATE_FILES {
        let error = open(probe.id(), name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{name}");
    }
    assert_eq!(probe.scan(&key).outside.full_copies, 1);
}

/// Without this, the test above could pass on a machine that denies it to everyone.
fn without_hardening_the_same_user_reads_everything() {
    let mut probe = Probe::start(&["soft"]);
    for name in PRIVATE_FILES {
        open(probe.id(), name).unwrap();
    }
}

fn a_hardened_process_may_leave_no_core() {
    let mut probe = Probe::start(&[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", probe.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"]);
}

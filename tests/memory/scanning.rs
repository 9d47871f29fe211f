//! The scanner finds what is planted, wherever it is, and nothing once it is wiped.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use base64::{Engine as _, engine::general_purpose};
use keyward::secrets::memory::scanner::{Canary, Findings, Needle, ScannedProcess};

use crate::{probe::Probe, tests};

tests![
    a_key_is_found_wherever_it_is_and_gone_once_it_is_wiped,
    a_fragment_at_an_odd_address_is_found,
    base64_is_found,
    huffman_code_is_found,
    a_key_in_the_pool_is_inside_and_two_elsewhere_are_outside,
    several_keys_are_looked_for_in_one_scan,
    a_process_that_has_ended_is_not_measured,
    a_process_that_cannot_be_started_is_not_measured,
    a_process_whose_memory_may_not_be_opened_is_not_measured,
    a_process_ends_with_its_handle,
];

const ONE: Findings = Findings {
    full_copies: 1,
    largest_fragment_count: 1,
    base64: 0,
    huffman: 0,
};

fn a_key_is_found_wherever_it_is_and_gone_once_it_is_wiped() {
    let mut probe = Probe::start(&[]);
    for (order, wipe) in [
        ("heap", "drop"),
        ("inaccessible", "drop"),
        ("stack", "leave"),
    ] {
        let key = Canary::random(64);
        assert!(probe.scan(&key).outside.is_nothing(), "{order}, before");
        probe.tell(order, key.as_bytes());
        let report = probe.scan(&key);
        assert_eq!(
            (report.outside, report.inside),
            (ONE, Findings::default()),
            "{order}"
        );
        probe.tell(wipe, b"");
        assert!(probe.scan(&key).outside.is_nothing(), "{order}, after");
    }
}

fn a_fragment_at_an_odd_address_is_found() {
    let mut probe = Probe::start(&[]);
    let key = Canary::random(64);
    let fragment = [b"-----", &key.as_bytes()[21..37], b"-"].concat();
    probe.tell("heap", &fragment);
    let outside = probe.scan(&key).outside;
    assert_eq!(
        outside,
        Findings {
            largest_fragment_count: 1,
            ..Findings::default()
        }
    );
}

fn base64_is_found() {
    let mut probe = Probe::start(&[]);
    for (prefix, count) in [("", 1), ("u", 1), ("us", 1)] {
        let key = Canary::random(64);
        let text = general_purpose::URL_SAFE.encode(format!("{prefix}{}", *key));
        probe.tell("heap", text.as_bytes());
        let outside = probe.scan(&key).outside;
        assert_eq!(
            outside,
            Findings {
                base64: count,
                ..Findings::default()
            },
            "`{prefix}`"
        );
    }
}

/// The bytes are those printed in RFC 7541, C.6.1, not made by our own table.
fn huffman_code_is_found() {
    let mut probe = Probe::start(&[]);
    // The text stands in this binary, but its code does not.
    let text = "https://www.example.com";
    assert_eq!(probe.scan(text).outside.huffman, 0);
    let code = 0x9d29_ad17_1863_c78f_0b97_c8e9_ae82_ae43_u128.to_be_bytes();
    probe.tell("heap", &[&code[..], &[0xd3]].concat());
    assert_eq!(probe.scan(text).outside.huffman, 1);
}

fn a_key_in_the_pool_is_inside_and_two_elsewhere_are_outside() {
    let mut probe = Probe::start(&[]);
    let key = Canary::random(64);
    for order in ["pool", "heap", "stack"] {
        probe.tell(order, key.as_bytes());
    }
    let report = probe.scan(&key);
    assert!(report.pool_found);
    assert_eq!(report.inside, ONE);
    assert_eq!(
        (
            report.outside.full_copies,
            report.outside.largest_fragment_count
        ),
        (2, 2)
    );
    probe.tell("drop", b"");
    assert!(probe.scan(&key).inside.is_nothing());
}

fn several_keys_are_looked_for_in_one_scan() {
    let mut probe = Probe::start(&[]);
    let keys = [Canary::random(64), Canary::random(32), Canary::random(40)];
    probe.tell("heap", keys[1].as_bytes());
    probe.tell("pool", keys[2].as_bytes());
    let needles: Vec<Needle> = keys
        .iter()
        .map(|key| Needle::new(key.as_bytes()).unwrap())
        .collect();
    let reports = probe.process.scan(&needles).unwrap();
    assert!(reports[0].inside.is_nothing() && reports[0].outside.is_nothing());
    assert_eq!(reports[1].outside, ONE);
    assert_eq!(
        (reports[2].inside, reports[2].outside),
        (ONE, Findings::default())
    );
}

fn a_process_that_has_ended_is_not_measured() {
    let mut probe = Probe::start(&[]);
    probe.tell("leave", b"");
    probe.process.child().wait().unwrap();
    let needle = Needle::new(Canary::random(64).as_bytes()).unwrap();
    let error = probe.process.scan(&[needle]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not measured, because the process has ended"
    );
}

fn a_process_that_cannot_be_started_is_not_measured() {
    let error = ScannedProcess::start(Command::new("/nonexistent/program")).unwrap_err();
    assert!(
        error
            .because
            .starts_with("the process could not be started"),
        "{error}"
    );
}

/// A program that its user may run and not read: the kernel then lets nobody open its memory.
fn a_process_whose_memory_may_not_be_opened_is_not_measured() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("unreadable");
    // By another process: a test beside this one may fork while this one has the copy open for
    // writing, and what is open for writing anywhere cannot be started.
    let program = std::env::current_exe().unwrap();
    let copied = Command::new("cp").arg(program).arg(&copy).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o111)).unwrap();
    let mut command = Command::new(&copy);
    command.arg("--list").stdout(std::process::Stdio::null());
    let error = ScannedProcess::start(command).unwrap_err();
    assert!(error.because.contains("could not be opened"), "{error}");
}

fn a_process_ends_with_its_handle() {
    let mut probe = Probe::start(&[]);
    let process = format!("/proc/{}", probe.id());
    assert!(fs::exists(&process).unwrap());
    drop(probe);
    assert!(!fs::exists(&process).unwrap());
}

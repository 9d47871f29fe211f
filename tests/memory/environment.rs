//! A key given in the environment is gone from it when the process is up.

use std::fs;

use keyward::secrets::memory::scanner::{Canary, Findings};

use crate::{probe::Probe, tests};

tests![
    a_variable_that_is_taken_is_gone_from_the_environment_block,
    a_taken_variable_exists_once_and_in_the_pool,
    a_variable_that_is_not_named_stays,
    each_state_of_a_variable_is_told,
];

const NAME: &str = "KEYWARD_PROBE_KEY";

/// The block as other processes see it; the probe is not hardened, so that it can be read.
fn block(probe: &mut Probe) -> String {
    let block = fs::read(format!("/proc/{}/environ", probe.id())).unwrap();
    String::from_utf8_lossy(&block).into_owned()
}

fn a_variable_that_is_taken_is_gone_from_the_environment_block() {
    let key = Canary::random(64);
    let mut probe = Probe::start_with(&["soft", "take=KEYWARD_PROBE_KEY"], &[(NAME, &key)]);
    let block = block(&mut probe);
    assert!(block.contains(NAME));
    assert!(
        !key.as_bytes()
            .windows(8)
            .any(|part| block.contains(str::from_utf8(part).unwrap()))
    );
    assert_eq!(probe.tell(NAME, b""), "value");
}

fn a_taken_variable_exists_once_and_in_the_pool() {
    let key = Canary::random(64);
    let probe = Probe::start_with(&["take=KEYWARD_PROBE_KEY"], &[(NAME, &key)]);
    let report = probe.scan(&key);
    assert_eq!(
        (
            report.inside.full_copies,
            report.inside.largest_fragment_count
        ),
        (1, 1)
    );
    assert_eq!(report.outside, Findings::default());
}

/// The scanner sees the stack's top, so that the test above could fail.
fn a_variable_that_is_not_named_stays() {
    let key = Canary::random(64);
    let mut probe = Probe::start_with(&["soft", "take=OTHER"], &[(NAME, &key)]);
    assert!(block(&mut probe).contains(&*key));
    assert!(probe.scan(&key).outside.full_copies >= 1);
    assert_eq!(probe.tell(NAME, b""), "not asked");
}

fn each_state_of_a_variable_is_told() {
    let long = "x".repeat(16 * 1024 + 1);
    let options = [
        "take=A_SET",
        "take=A_UNSET",
        "take=A_EMPTY",
        "take=A_BROKEN",
        "take=A_LONG",
    ];
    let variables = [
        ("A_SET", "v"),
        ("A_EMPTY", "\n"),
        ("A_BROKEN", "a\tb"),
        ("A_LONG", &*long),
    ];
    let mut probe = Probe::start_with(&options, &variables);
    for (name, state) in [
        ("A_SET", "value"),
        ("A_UNSET", "unset"),
        ("A_EMPTY", "empty"),
        ("A_BROKEN", "malformed"),
        ("A_LONG", "too long"),
        ("A_OTHER", "not asked"),
    ] {
        assert_eq!(probe.tell(name, b""), state, "{name}");
    }
}

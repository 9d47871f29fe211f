//! The second control of the memory proof: the same library without what protects it is caught.
//!
//! The allocator that wipes what is freed stands in `main.rs` alone, so this program, which calls
//! the same `cli::main`, has the system's. With connections that are kept it does the very chat
//! of the proof, and the very scanner must see what is left. If it does not, the zeros of
//! `memory_proof` say nothing. The first control, that each detector finds its planted canary, is
//! in `tests/memory`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where and stops"
)]

#[path = "../promises/memory_proof/ordinary_user.rs"]
mod ordinary_user;
#[expect(dead_code, reason = "the control needs little of it")]
#[path = "../promises/memory_proof/place.rs"]
mod place;
#[expect(
    dead_code,
    reason = "support is complete by server, not by what a test uses"
)]
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the control needs little of it")]
#[path = "../promises/memory_proof/watched.rs"]
mod watched;

use std::process::{Command, ExitCode};

use keyward::secrets::memory::scanner::Report;
use libtest_mimic::{Arguments, Trial, run};

use self::{
    place::{Arranged, Place, Way, arrange},
    support::upstream::ANSWER,
    watched::Watched,
};

/// Set where this program is to be the server. Its arguments are then `keyward`'s.
const SERVES: &str = "CONTROL_SERVES";

/// How many calls each server answers, one after the other.
const CALLS: usize = 5;

fn main() -> ExitCode {
    if std::env::var_os(SERVES).is_some() {
        return keyward::cli::main();
    }
    let trial = |name, test: fn()| {
        Trial::test(name, move || {
            ordinary_user::tries(test);
            Ok(())
        })
    };
    let trials = vec![
        trial(
            "without_protection_http_1_leaves_a_copy_and_a_fragment",
            || {
                let left = left_behind(Way::Http1);
                let has_copy = |report: &Report| report.outside.full_copies > 0;
                let has_fragment = |report: &Report| {
                    report.outside.largest_fragment_count > report.outside.full_copies
                };
                assert!(left.iter().any(has_copy), "{left:#?}");
                assert!(left.iter().any(has_fragment), "{left:#?}");
            },
        ),
        trial("without_protection_http_2_leaves_huffman_code", || {
            let left = left_behind(Way::Http2);
            let has_code = |report: &Report| report.outside.huffman > 0;
            assert!(left.iter().any(has_code), "{left:#?}");
        }),
    ];
    run(&Arguments::from_args(), trials).exit_code()
}

/// What is left of the key 100 ms after each call's end.
fn left_behind(way: Way) -> Vec<Report> {
    let Arranged {
        setup,
        key,
        upstream,
        ..
    } = arrange(Place::File, way, "      connections: pooled\n");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg("serve")
        .env_clear()
        .envs(setup.environment())
        .env(SERVES, "1")
        .current_dir(setup.working_directory());
    let mut server = Watched::start(command, setup);
    server.initialize();
    let left = (0..CALLS)
        .map(|_| {
            assert_eq!(server.chat()["structuredContent"]["answer"], ANSWER);
            server.scan_after_the_end([&key])[0]
        })
        .collect();
    assert_eq!(upstream.keys(), vec![Some(key.to_string()); CALLS]);
    left
}

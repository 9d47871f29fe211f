//! The promise of `secrets/memory`, on real processes: what is hardened cannot be read, what is
//! taken from the environment is gone from it, what is planted is found and what is wiped is not.
//!
//! This binary is also the process that is looked at (see `probe`), which must act before any
//! thread exists; hence a `main` of its own. Root may read everything, so under root the whole
//! binary runs itself again as an ordinary user: no promise is tested with powers that users lack.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, what fails should fail loudly"
)]

mod environment;
mod hardening;
mod locking;
mod probe;
mod scanning;

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, ExitCode},
};

use keyward::secrets::memory::harden;
use libtest_mimic::{Arguments, Trial, run};

/// The user id that no file belongs to.
const NOBODY: u32 = 65534;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(probe::ARGUMENT) {
        probe::main();
        return ExitCode::SUCCESS;
    }
    if nix::unistd::geteuid().is_root() {
        return run_as_an_ordinary_user();
    }
    // `keyward demo`, which scans too, is hardened itself: that must not keep it from scanning.
    assert_eq!(harden().absent, []);
    let tests = [
        environment::tests(),
        hardening::tests(),
        locking::tests(),
        scanning::tests(),
    ]
    .concat();
    let trials = tests.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// A test, by name.
type Test = (&'static str, fn());

/// Names each function as a test.
macro_rules! tests {
    ($($test:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<$crate::Test> {
            vec![$((stringify!($test), $test as fn())),*]
        }
    };
}
pub(crate) use tests;

/// Copies this binary to where anyone may run it, and runs it there without root's powers.
fn run_as_an_ordinary_user() -> ExitCode {
    let readable = fs::Permissions::from_mode(0o755);
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), readable.clone()).unwrap();
    let copy = folder.path().join("memory");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    fs::set_permissions(&copy, readable).unwrap();
    let status = Command::new(&copy)
        .args(std::env::args_os().skip(1))
        .current_dir(folder.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .status()
        .unwrap();
    if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

//! `keyward policy test FILE…`: calls that are written down with what should become of them.

use std::io;

use super::{format, read, unreadable};
use crate::{
    cli::{Exit, args::PolicyTest, world::World},
    guard::policy::TestFile,
};

/// Runs the tests of each file; one that fails is a failed check.
pub(super) async fn test(world: &World, options: &PolicyTest) -> Exit {
    let mut exit = Exit::Done;
    for path in &options.files {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) => return unreadable(path, &error.kind()),
        };
        let tests: TestFile = match serde_saphyr::from_str(&text) {
            Ok(tests) => tests,
            Err(error) => return unreadable(path, &error),
        };
        let mut out = io::stdout().lock();
        let run = world.policy().test(&tests, format(options.json), &mut out);
        // A reader that has gone does not turn a failure into a success.
        if run.await.is_ok_and(|summary| summary.failed > 0) {
            exit = Exit::Invalid;
        }
    }
    exit
}

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
            // The position alone: the error may quote what stands there.
            Err(error) => {
                let place = error.location().map_or(String::new(), |at| {
                    format!(" (line {}, column {})", at.line(), at.column())
                });
                return unreadable(path, &format!("this is no file of tests{place}"));
            }
        };
        let mut out = io::stdout().lock();
        let run = world.policy().test(&tests, format(options.json), &mut out);
        match run.await {
            Ok(summary) if summary.failed == 0 => {}
            Ok(_) => exit = Exit::Invalid,
            // A reader that has gone, or a full disk: nobody can say that the tests passed.
            Err(_) => return Exit::Failed,
        }
    }
    exit
}

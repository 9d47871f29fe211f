//! `keyward policy`: tries the rules that the configuration names, on calls that are written down.
//!
//! Nothing is called, fetched or recorded. What is printed holds values of the calls that were
//! given, so it goes to standard output alone.

mod explain;
mod test;

use std::io::{self, Read as _};

use super::{Exit, args::Policy, complain, world::World};
use crate::guard::policy::Format;

/// The longest description of a call, in bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Runs one of the commands.
pub(super) fn run(world: &World, command: &Policy) -> Exit {
    match command {
        Policy::Explain(options) => super::run(explain::explain(world, options)),
        Policy::Test(options) => super::run(test::test(world, options)),
    }
}

fn format(as_json: bool) -> Format {
    if as_json { Format::Json } else { Format::Text }
}

/// The text of a file, or of standard input for `-`.
fn read(path: &std::path::Path) -> io::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        io::stdin().take(MAX_BYTES).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?
            .take(MAX_BYTES)
            .read_to_string(&mut text)?;
    }
    Ok(text)
}

/// Says that a file could not be read.
fn unreadable(path: &std::path::Path, why: &dyn std::fmt::Display) -> Exit {
    complain(format_args!("{}: {why}", path.display()));
    Exit::Unreadable
}

//! Exit codes: a promise to scripts, so each has one meaning for every command.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// The configuration is invalid, or what was checked did not pass.
    Invalid,
    /// Something could not be read. `clap` uses the same code for a wrong command line.
    Unreadable,
    /// The server or the demo failed while it ran.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Invalid => Self::from(1),
            Exit::Unreadable => Self::from(2),
            Exit::Failed => Self::from(3),
        }
    }
}

//! What the log adds to a call: its lines at the default level, through redaction, into nothing.

use std::{borrow::Cow, fs::File, sync::Arc};

use keyward::{
    guard::redaction::{Direction, Redactor},
    telemetry::{self, LineFilter, LogSettings},
};

use crate::{corridor, house};

/// The log's way through redaction, as the server has it.
struct Through(Arc<Redactor>);

impl LineFilter for Through {
    fn clean<'l>(&self, line: &'l str) -> Cow<'l, str> {
        self.0.text(Direction::Log, line).text
    }
}

/// Prints the table of the corridor with the log on. From here on stderr leads nowhere.
pub fn measure() {
    let nowhere = File::options().write(true).open("/dev/null").unwrap();
    nix::unistd::dup2_stderr(nowhere).unwrap();
    let filter = Arc::new(Through(house::redactor(1)));
    telemetry::init(LogSettings::default(), Some(filter));
    corridor::heading();
    corridor::rows_with("redaction, 10 policy rules, and the log");
}

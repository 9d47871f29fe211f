//! `keyward audit …`: reads and verifies files of records. No command here needs a configuration,
//! so that an auditor can use them elsewhere.

mod args;
mod query;
mod verify;

pub use args::{Audit, AuditFormat, AuditQuery, AuditVerify};

use super::{Exit, complain, print};

/// Runs one of the commands.
pub(super) fn run(command: &Audit) -> Exit {
    match command {
        Audit::Verify(options) => verify::verify(options),
        Audit::Query(options) => query::query(options),
    }
}

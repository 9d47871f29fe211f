//! `keyward audit …`: reads and verifies files of records. Only `hash` needs a configuration, for its
//! key; an auditor can use the others elsewhere.

mod args;
mod hash;
mod query;
mod verify;

pub use args::{Audit, AuditFormat, AuditHash, AuditQuery, AuditVerify};

use super::{Exit, args::Global, complain, print, quiet, world::World};
use crate::secrets::memory::Protections;

/// Runs one of the commands.
pub(super) fn run(command: &Audit, global: Global, protections: &Protections) -> Exit {
    match command {
        Audit::Hash(options) => match World::load(&quiet(global), None, protections) {
            Ok(world) => super::run(hash::hash(world, options)),
            Err(error) => error.report(false),
        },
        Audit::Verify(options) => verify::verify(options),
        Audit::Query(options) => query::query(options),
    }
}

//! `keyward audit verify`: are the records as they were written?

use super::{AuditVerify, Exit, complain, print};
use crate::audit::{self, Verification};

/// Verifies, and prints what was found.
pub(super) fn verify(options: &AuditVerify) -> Exit {
    let checkpoints = options.checkpoints.as_deref().zip(options.key.as_ref());
    let report = audit::verify(&Verification {
        files: &options.files,
        begins_at: options.begins_at,
        checkpoints,
    });
    match report {
        Ok(report) => {
            if options.json {
                print(report.to_json());
            } else {
                print(&report);
            }
            if report.is_whole() {
                Exit::Done
            } else {
                Exit::Invalid
            }
        }
        Err(error) => {
            complain(error);
            Exit::Unreadable
        }
    }
}

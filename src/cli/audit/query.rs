//! `keyward audit query`: which records say what?

use std::{
    io::{self, BufWriter},
    thread,
    time::Duration,
};

use super::{AuditFormat, AuditQuery, Exit, complain};
use crate::audit::{self, Filter, Format, Query, QueryError};

/// How often a followed file is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Prints the records that are meant, until interrupted if the file is followed.
pub(super) fn query(options: &AuditQuery) -> Exit {
    let filter = Filter {
        tool: options.tool.clone(),
        principal: options.principal.clone(),
        decision: options.decision.clone(),
        outcome: options.outcome.clone(),
        event: options.event.clone(),
        argument_hash: options.argument_hash.clone(),
        since: options.since,
        until: options.until,
    };
    let query = Query {
        files: &options.files,
        filter: &filter,
        limit: options.limit.and_then(|limit| usize::try_from(limit).ok()),
        format: match options.format {
            AuditFormat::Table => Format::Table,
            AuditFormat::Json => Format::Json,
            AuditFormat::Csv => Format::Csv,
        },
    };
    let mut wait = || {
        if options.follow {
            thread::sleep(BETWEEN_LOOKS);
        }
        options.follow
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match audit::query(&query, &mut out, &mut wait) {
        Ok(summary) => {
            if summary.unreadable > 0 {
                complain(format_args!(
                    "{} lines are no records; `keyward audit verify` tells more",
                    summary.unreadable
                ));
            }
            Exit::Done
        }
        Err(error) => {
            complain(&error);
            match error {
                QueryError::Unreadable { .. } => Exit::Unreadable,
                QueryError::Unwritable(_) => Exit::Failed,
            }
        }
    }
}

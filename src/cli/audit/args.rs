//! What can be typed after `keyward audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, builder::PossibleValuesParser};
use jiff::Timestamp;

use crate::audit::{Event, InvalidMoment, VerifierKey, parse_moment};

/// Commands under `audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Tell whether records are as they were written, and name the first that is not.
    Verify(AuditVerify),
    /// Show records.
    Query(AuditQuery),
    /// Tell the keyed hash of a value, by which records of calls with it are found.
    Hash(AuditHash),
}

/// Options of `audit hash`.
#[derive(Debug, Args)]
pub struct AuditHash {
    /// The value of an argument, as text; `-` reads it from standard input.
    #[arg(value_name = "VALUE")]
    pub value: String,
    /// It is JSON: a number, a list, an object.
    #[arg(long)]
    pub as_json: bool,
}

/// Options of `audit verify`.
#[derive(Debug, Args)]
pub struct AuditVerify {
    /// The files of one audit, oldest first.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A file of signed checkpoints: shows also whether the end was cut off or all was written
    /// anew, which the records alone cannot.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub checkpoints: Option<PathBuf>,
    /// The key that checkpoints must be signed with, in the form name+hash+base64.
    #[arg(long, value_name = "KEY", requires = "checkpoints")]
    pub key: Option<VerifierKey>,
    /// The record that must come first, if older files were deleted.
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1)]
    pub begins_at: u64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `audit query`.
#[derive(Debug, Args)]
pub struct AuditQuery {
    /// The files, oldest first.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Only of this tool.
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    /// Only on behalf of this principal.
    #[arg(long, value_name = "ID")]
    pub principal: Option<String>,
    /// Only what the policy judged so: allow, deny, require_approval, approved or transform.
    #[arg(long, value_name = "VERDICT")]
    pub decision: Option<String>,
    /// Only what ended so.
    #[arg(long, value_name = "OUTCOME")]
    pub outcome: Option<String>,
    /// Only this event.
    #[arg(long, value_name = "EVENT", value_parser = events())]
    pub event: Option<String>,
    /// Not before: a time such as 2026-01-31T09:00:00Z, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Not after: as for --since.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Only where an argument has this keyed hash, which `keyward audit hash` tells.
    #[arg(long, value_name = "HASH")]
    pub argument_hash: Option<String>,
    /// Only the last so many.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: Option<u32>,
    /// Go on with what is written from now on.
    #[arg(long)]
    pub follow: bool,
    /// How records are shown.
    #[arg(long, value_enum, default_value_t = AuditFormat::Table)]
    pub format: AuditFormat,
}

/// How records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// A line each, for people.
    Table,
    /// The lines as they are in the file.
    Json,
    /// For spreadsheets.
    Csv,
}

fn events() -> PossibleValuesParser {
    PossibleValuesParser::new(Event::ALL.map(Event::label))
}

fn moment(text: &str) -> Result<Timestamp, InvalidMoment> {
    parse_moment(text, Timestamp::now())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(subcommand)]
        command: Audit,
    }

    fn parses(words: &[&str]) -> bool {
        Typed::try_parse_from([&["audit"], words].concat()).is_ok()
    }

    #[test]
    fn what_is_typed_is_understood_and_what_means_nothing_is_refused() {
        assert!(parses(&["verify", "a.jsonl", "b.jsonl", "--json"]));
        assert!(!parses(&["verify"]));
        assert!(!parses(&["verify", "a", "--checkpoints", "c.txt"]));
        assert!(!parses(&[
            "verify",
            "a",
            "--checkpoints",
            "c.txt",
            "--key",
            "x"
        ]));
        assert!(parses(&[
            "query",
            "a",
            "--event",
            "call_ended",
            "--since",
            "2h"
        ]));
        for wrong in [
            ["--event", "call_end"],
            ["--since", "noon"],
            ["--limit", "0"],
            ["--format", "xml"],
        ] {
            assert!(
                !parses(&[&["query", "a"][..], &wrong].concat()),
                "{wrong:?}"
            );
        }
    }
}

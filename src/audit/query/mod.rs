//! Queries: which records say what, from files of lines, for people and for programs.
//!
//! A query believes what it reads; whether that was altered is for `verify` to say.

mod filter;
mod format;
mod scan;

pub use filter::{Filter, InvalidMoment, parse_moment};
pub use format::Format;
pub use scan::{Query, QueryError, Summary, query};

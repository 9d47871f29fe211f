//! Rules: patterns of secrets, read from files in gitleaks' format.

mod allowlist;
mod entropy;
mod expression;
mod format;
mod pattern;
mod problem;
mod shipped;

pub(super) use expression::Compile;
pub(super) use pattern::{Pattern, read};
pub(super) use shipped::FILES;

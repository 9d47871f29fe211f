//! The search of one text for all rules, within a bound of work.

mod base64;
mod budget;
mod decoded;
mod escapes;
mod keywords;
mod scanner;
mod windows;

pub(super) use budget::Budget;
pub(super) use scanner::{Scanner, Sought};

//! Personal data: what is known by its form and its check digits rather than by a keyword.
//!
//! These are code, not rules in a file: a check digit cannot be written as a regular expression,
//! and without one half of all order numbers would pass for payment cards.

mod card;
mod digits;
mod email;
mod finder;
mod iban;
mod phone;
mod ssn;

pub(super) use card::passes_luhn;
pub(super) use finder::{Kind, find};

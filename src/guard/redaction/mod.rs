//! Redaction: what must not leave, found by what it looks like.
//!
//! A text passes two nets: the keys that this process has handed out (the first, which is given to
//! us as a [`LiveNet`]), and patterns of secrets and personal data (the second, which is here). It
//! stands apart from policy, which decides by fields and roles: this looks at what the text says.
//! Nothing here logs, and nothing that it reports holds what was found.

mod document;
mod finding;
mod mark;
mod merge;
mod personal;
mod redactor;
mod replacement;
mod rules;
mod scan;
mod settings;

pub use finding::{Class, Direction, Finding, Redacted, Report};
pub use redactor::{LiveNet, Redactor};
pub use settings::{Action, DirectionSettings, RedactionSettings, Strategy};

#[cfg(test)]
mod tests;

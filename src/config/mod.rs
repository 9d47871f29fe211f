//! Configuration: finds the file, reads it safely, explains what is wrong with it.
//!
//! The settings themselves live in the rooms they configure; this room composes them and knows
//! YAML so that no other has to. It never reads the working directory, never ignores a setting
//! it does not enforce, and never repeats a value: the line with the mistake may hold a key.

mod attached;
mod extract;
mod find;
mod later;
mod load;
mod mask;
mod names;
mod overrides;
mod pasted;
mod report;
mod shape;
mod syntax;
mod tree;

pub use attached::{Attached, NoFiles, attached, attached_text, named};
pub use find::{ConfigFile, Unreadable, find, read};
pub use load::{Config, load, parse};
pub use overrides::Overrides;
pub use report::{CheckExit, ConfigError, Finding, Invalid, Style};

#[cfg(test)]
mod tests;

//! The secret provider `exec`: a command that prints a secret, which is how `op`, `pass`, `gopass`
//! and the clouds' own tools plug in.
//!
//! No shell and no search for programs stand between a reference and what runs: the operator
//! writes the whole command, and a reference fills in one checked path. What a command writes to
//! its standard error is never shown, since tools quote what they were given.

mod config;
// Compiled with the tests too, so that it does not fall behind.
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod place;
mod program;
mod provider;
mod run;
mod variables;

pub use config::{CommandSettings, ExecSettings};
pub use variables::EnvironmentSettings;

//! Hardening: the first thing the process does, before it has read anything worth stealing.
//!
//! It stands apart because nothing may run before it. It never fails: a machine that refuses a
//! protection still runs, and the report says what is missing, so that `check` can show it.

use std::fmt;

use nix::sys::resource::{Resource, setrlimit};

use super::platform;

/// Which protections of the process are in force, and which are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protections {
    /// What is in force, in words.
    pub in_force: Vec<&'static str>,
    /// What is not.
    pub absent: Vec<Absent>,
}

/// A protection that is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// What it would have done.
    pub protection: &'static str,
    /// Why it is not.
    pub because: String,
}

/// Forbids core dumps and, where the system can, reading this process's memory from outside and
/// handing on the files that are open.
///
/// Call it first. What was opened before (by whoever started the process) stays open.
pub fn harden() -> Protections {
    let mut protections = Protections::default();
    protections.note(
        "other processes of the same user cannot read this process's memory",
        platform::refuse_inspection(),
    );
    protections.note(
        "the process leaves no core dump",
        setrlimit(Resource::RLIMIT_CORE, 0, 0)
            .map_err(|errno| format!("RLIMIT_CORE: {}", errno.desc())),
    );
    protections.note(
        "programs that it starts get none of the files it was started with",
        platform::withhold_files(),
    );
    protections
}

impl Protections {
    fn note(&mut self, protection: &'static str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.in_force.push(protection),
            Err(because) => self.absent.push(Absent {
                protection,
                because,
            }),
        }
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "absent: {} ({})", self.protection, self.because)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_protection_is_reported_with_its_reason() {
        let mut protections = Protections::default();
        protections.note("a", Ok(()));
        protections.note("b", Err("not here".into()));
        assert_eq!(protections.in_force, ["a"]);
        assert_eq!(protections.absent[0].to_string(), "absent: b (not here)");
    }
}

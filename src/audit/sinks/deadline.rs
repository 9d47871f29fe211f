//! How long a sink may take over one batch.
//!
//! One deadline holds for everything that a batch needs: finding the host, connecting, writing,
//! waiting for an answer, trying again. A sink that gave each step its own would take the sum of
//! them, and who waits for the record is a call.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::settings::Problem;

/// What a sink gets if its settings do not say.
pub(super) const DEFAULT: Duration = Duration::from_secs(5);
/// The longest that settings may say: a call waits for it.
const LONGEST: Duration = Duration::from_secs(60);

/// The time that one batch has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    begun: Instant,
    allowed: Duration,
}

impl Deadline {
    /// `allowed` from now.
    pub(super) fn new(allowed: Duration) -> Self {
        Self {
            begun: Instant::now(),
            allowed,
        }
    }

    /// What is left of it, never zero.
    ///
    /// # Errors
    /// Nothing is: [`io::ErrorKind::TimedOut`].
    pub(super) fn left(&self) -> io::Result<Duration> {
        self.allowed
            .checked_sub(self.begun.elapsed())
            .filter(|left| !left.is_zero())
            .ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

/// Refuses a deadline that nothing can meet, or that holds calls up; `path` leads to the sink.
pub(super) fn validate(deadline: Duration, path: &[&str]) -> Option<Problem> {
    (deadline.is_zero() || deadline > LONGEST).then(|| {
        Problem::at(
            path.iter().chain(&["deadline"]).copied(),
            "a batch has more than no time, and a minute at the most",
            "write a duration such as `5s`; calls wait for it when a sink hangs",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_has_passed_leaves_nothing() {
        assert!(Deadline::new(Duration::from_secs(60)).left().is_ok());
        let none = Deadline::new(Duration::ZERO).left().unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn no_time_and_more_than_a_minute_are_refused() {
        let path = ["audit", "sinks", "0", "http"];
        assert_eq!(validate(DEFAULT, &path), None);
        assert_eq!(validate(LONGEST, &path), None);
        for wrong in [Duration::ZERO, LONGEST + Duration::from_millis(1)] {
            let problem = validate(wrong, &path).unwrap();
            assert_eq!(problem.path.join("."), "audit.sinks.0.http.deadline");
        }
    }
}

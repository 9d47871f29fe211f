//! How a secret provider and its store are protected from one another: the settings that providers
//! share, and what they amount to.
//!
//! Only numbers live here; what keeps to them stands around every provider, in `protection`.

use std::time::Duration;

use crate::protection::BreakerSettings;
#[cfg(any(feature = "vault", feature = "aws", feature = "exec"))]
use crate::settings;

/// What one fetch from a provider may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long one fetch may take, login and retries included. `None`: the provider bounds itself.
    pub deadline: Option<Duration>,
    /// How often a transient failure is tried again.
    pub retries: u32,
    /// When the provider is left alone. `None`: never.
    pub breaker: Option<BreakerSettings>,
}

#[cfg(any(feature = "vault", feature = "aws", feature = "exec"))]
impl Limits {
    /// What is wrong with limits that come from the settings `timeout`, `retries` and `breaker` of
    /// `provider`.
    pub(super) fn problems(&self, provider: &str) -> Vec<settings::Problem> {
        const MOST_RETRIES: u32 = 10;
        let mut problems = Vec::new();
        let mut refuse = |keys: &[&str], message: &str, help: &str| {
            let mut path = super::registry::section(provider);
            path.extend(keys.iter().map(|&key| key.to_owned()));
            problems.push(settings::Problem::at(path, message, help));
        };
        if self.deadline.is_some_and(|deadline| deadline.is_zero()) {
            refuse(
                &["timeout"],
                "with no time at all no fetch can succeed",
                "write a duration such as `5s`",
            );
        }
        if self.retries > MOST_RETRIES {
            refuse(
                &["retries"],
                "so many tries only spend the time that a fetch has",
                "write a number from 0 to 10",
            );
        }
        let Some(breaker) = self.breaker else {
            return problems;
        };
        if breaker.failures == 0 {
            refuse(
                &["breaker", "failures"],
                "after no failure at all the store would never be asked",
                "write how many failures in a row it takes, such as 5",
            );
        }
        if breaker.open_for.is_zero() {
            refuse(
                &["breaker", "open_for"],
                "a store that is left alone for no time is not left alone",
                "write a duration such as `10s`",
            );
        }
        problems
    }
}

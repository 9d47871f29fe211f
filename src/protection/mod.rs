//! What keeps a service that fails and those who need it from hurting one another: when it is left
//! alone, and how long to wait before it is asked again.
//!
//! The rules are pure: the time and chance are passed in, nothing is logged, nothing waits. Which
//! failures count is for each room to say.

mod backoff;
mod breaker;

pub(crate) use backoff::wait;
pub(crate) use breaker::{Breaker, Evidence, Permit, Refusal};
pub use breaker::{BreakerSettings, BreakerState};

//! What stands between the chain and every provider: one deadline around a fetch, a few more tries,
//! and a circuit breaker.
//!
//! It is apart from the providers so that each of them only asks its store, once, and all of them
//! are bounded alike. The rules are pure (`breaker`, `retry`); `protected` keeps to them. Nothing
//! here sees a value.

mod breaker;
mod gate;
mod protected;
mod retry;

pub use breaker::BreakerState;
pub use gate::BreakerWatch;
pub use protected::Protected;

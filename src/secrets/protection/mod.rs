//! What stands between the chain and every provider: one deadline around a fetch, a few more tries,
//! and a circuit breaker.
//!
//! It is apart from the providers so that each of them only asks its store, once, and all of them
//! are bounded alike. The rules are pure (`crate::protection`, `evidence`); `protected` keeps to them. Nothing
//! here sees a value.

mod evidence;
mod gate;
mod protected;

pub use gate::BreakerWatch;
pub use protected::Protected;

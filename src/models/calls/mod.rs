//! What stands around every model provider: how many calls run at once and who is next, which
//! failures are tried again, when a provider is left alone, and who is asked instead.
//!
//! It is apart from the providers so that each of them only asks, once, and all of them are bounded
//! alike. `judgement` says what a failure means, `gate` is the queue, `careful` keeps to both.

mod careful;
mod fallback;
mod gate;
mod hedge;
mod judgement;
mod metrics;
mod settings;

pub(super) use careful::Careful;
pub use fallback::{Fallback, Selected};
pub use metrics::ModelMetrics;
pub use settings::LimitSettings;

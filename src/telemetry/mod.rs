//! Telemetry: what the operator reads while Keyward runs, as log and as metrics.
//!
//! Logs go to stderr alone, since stdout is the protocol's. Only Keyward's own events are
//! written: HTTP and TLS libraries print headers and bodies at their debug levels, and no
//! setting here can turn that on.

mod config;
mod lines;
mod logs;
mod metrics;

pub use config::{LogFormat, LogLevel, LogSettings};
pub use lines::LineFilter;
pub use logs::{init, set_panic_hook};
pub use metrics::{MEDIA_TYPE, Metrics};

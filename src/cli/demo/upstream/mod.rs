//! A stand-in for a model vendor, on loopback: strict about what it is sent, and able to
//! misbehave on request.
//!
//! The demo shows with it what an upstream sees; the tests, what Keyward does when one is slow,
//! broken or hostile. It is library code because the `demo` command ships. It keeps only a digest
//! of the one key it accepts, and records everything of a request but the key.

mod behaviour;
mod dialect;
mod reply;
mod seen;
mod server;

pub use behaviour::{Behaviour, Form, Place};
pub use dialect::{Dialect, StandInModel};
pub use seen::{Counts, KeyDigest, KeySeen, Seen};
pub use server::{Serving, StandIn, StandInSettings};

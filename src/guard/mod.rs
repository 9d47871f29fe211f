//! The guard: the one way from a client to a tool.
//!
//! Each step is a type that only the step before can make: [`Received`] → [`Validated`] →
//! [`Authorized`] → an [`Outcome`]. Whichever transport or command a call came by, it takes this
//! door, and nothing else runs a tool.

mod authorization;
mod corridor;
mod fields;
mod outcome;
pub mod policy;
mod received;
pub mod redaction;
mod schema;
mod validation;

pub use authorization::{Authorized, Denied, Policy, authorize};
pub use corridor::Corridor;
pub use outcome::Outcome;
pub use received::Received;
pub use schema::closed;
pub use validation::{InvalidArguments, Validated, Validator};

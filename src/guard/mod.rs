//! The guard: the one way from a client to a tool.
//!
//! Each step is a type that only the step before can make: [`Received`] → [`Validated`] →
//! [`Authorized`] → an [`Outcome`]. Whichever transport or command a call came by, it takes this
//! door, and nothing else runs a tool.

mod approval;
mod authorization;
mod cleaning;
mod corridor;
mod fields;
mod outcome;
pub mod policy;
mod received;
mod recording;
pub mod redaction;
mod refusal;
mod scene;
mod schema;
mod unauthenticated;
mod usage;
mod validation;

pub use approval::{ApprovalKey, ApprovalRequest};
pub use authorization::Authorized;
pub use corridor::{Corridor, shapes};
pub use outcome::Outcome;
pub use received::{Caller, Received};
pub use recording::{HashArguments, Recording};
pub use schema::closed;
pub use validation::{InvalidArguments, Validated, Validator};

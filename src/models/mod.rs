//! Models: which model answers a call, through which provider, and how its vendor is spoken to.
//!
//! This room asks the broker for a key by name and never learns where it came from; it does not
//! know what a tool is.

mod completion;
mod error;

pub use completion::{Completion, CompletionRequest, Usage};
pub use error::ModelError;

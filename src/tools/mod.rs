//! Tools: what a client can call.
//!
//! A tool is pure flow: it gets arguments that were validated and allowed, and gives an answer.
//! Only the guard's corridor runs one. What a client sees of a tool (name, description, schemas)
//! is data in `definitions/`.

mod answer;
mod chat;
mod definition;
mod files;
mod listmodels;
mod plan;
mod registry;
mod version;

pub use answer::{AnsweredBy, Spent, ToolAnswer, ToolError};
pub use definition::{Annotations, InvalidDefinition, ToolDefinition};
pub(crate) use files::put_back;
pub use files::{FileError, Files, PlannedFile, WantedFile};
pub use plan::Plan;
pub use registry::{Registry, Tool};

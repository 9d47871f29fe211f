//! The server: speaks MCP over stdio and HTTP. It knows no tool by name.

mod config;

pub use config::{Behind, HttpSettings, ServerSettings};

//! The server: speaks MCP to clients, over stdio and streamable HTTP, in both protocol eras.
//!
//! It knows no tool by name: it lists what the guard shows and hands every call to the guard's
//! corridor. Nothing but protocol is ever written to stdout.

mod approval;
mod authentication;
mod config;
mod handler;
mod http;
mod principal;
mod progress;
mod stdio;

pub use authentication::{Authenticator, Verdict, is_bearer_token};
pub use config::{Behind, HttpSettings, ServerSettings, StdioSettings};
pub use handler::Handler;
pub use http::serve_http;
pub use principal::PrincipalSettings;
pub use stdio::{StdioError, serve_stdio};

/// The longest message a client may send, in bytes: a prompt of a million characters fits, even
/// one that JSON escapes throughout.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

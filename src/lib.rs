//! Keyward: an MCP server between AI clients and everything that needs a key.
//!
//! The modules below are the rooms of the house, in the order in which a call flows through
//! them. A room may name only rooms further down (see `ARCHITECTURE`); nothing runs a tool but
//! the guard's corridor, and nothing but `secrets` knows where a key lives.

pub mod cli;
pub mod config;
pub mod server;

pub mod guard;
pub mod tools;

pub mod workspace;

pub mod models;
pub mod secrets;

pub mod audit;

pub mod call;
mod key_shape;
mod nearest;
mod outbound;
pub mod protection;
pub mod settings;
pub mod telemetry;

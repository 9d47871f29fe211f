//! The secret provider `env`: variables of the environment, taken into locked memory at start.

mod config;
mod provider;

pub use config::EnvSettings;

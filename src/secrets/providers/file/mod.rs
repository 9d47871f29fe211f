//! The secret provider `file`: one key a file, or a field of a JSON file.

mod config;
mod presence;
mod provider;

pub use config::FileSettings;

//! The sink that posts records to any HTTP server, a batch at a time, a line each.

mod config;
mod sink;

#[cfg(test)]
mod tests;

pub use config::HttpSinkSettings;
pub use sink::HttpSink;

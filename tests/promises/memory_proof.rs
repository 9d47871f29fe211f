//! The memory proof: what is left of a key in the real server, counted from outside.
//!
//! `BROKER.md` §4 is the specification. The scanner starts the server and reads all its private
//! memory; that each of its detectors finds what is planted is shown in `tests/memory`, and that
//! they find what another program leaves behind in `tests/control`. `docs/memory.md` explains the
//! numbers. No target here may be loosened without a decision record.

mod aws_credentials;
mod changes;
mod client_certificate;
mod commands;
mod failures;
mod holding;
mod leased;
mod little_locked_memory;
mod logins;
mod neighbours;
mod ordinary_user;
mod others;
mod phases;
mod place;
mod pooled;
mod proxy;
mod renewed;
mod vendors;
mod watched;
mod way_in;

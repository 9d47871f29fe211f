//! The demo: a call from an AI client to a model, and what each party saw of its key.
//!
//! Nothing in it is acted: the server is this very program, run as any client runs it; the client
//! is the SDK's; the memory is read from outside. Only the upstream stands in for a vendor's, on
//! loopback, so that no account is needed.

#[cfg(feature = "aws")]
mod aws;
mod child;
mod folder;
mod holding;
mod run;
mod store;
mod story;
pub mod upstream;
#[cfg(feature = "vault")]
mod vault;

use super::{Exit, args::Demo, complain};

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    /// Something that the demo needs is not there.
    #[error("the demo could not be set up: {0}")]
    Setup(String),
    /// Keyward did not do what it promises.
    #[error("a promise was broken: {0}")]
    Promise(String),
}

/// `keyward demo`.
pub(super) async fn demo(options: Demo) -> Exit {
    match run::run(&options).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(error);
            Exit::Failed
        }
    }
}

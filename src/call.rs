//! What travels with one call through every room: its identity and the way to report progress.
//!
//! It stands below all rooms because each needs it: the guard makes it, tools and models report
//! progress into it, the broker says on whose behalf a secret was read. It holds no arguments
//! and no secrets, so it may be logged.

use tokio::sync::watch;

/// Who caused a call, as far as logs and audit may tell.
#[derive(Debug, Clone)]
pub struct CallIdentity {
    /// Our id for this call: 32 hexadecimal digits, also given to the client in errors.
    pub request_id: String,
    /// The tool that was called.
    pub tool: String,
    /// On whose behalf: `local` over stdio, `http` for the bearer of the HTTP token.
    pub principal: String,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Characters of answer received so far.
    pub characters: u64,
}

/// The context of one call, borrowed by every room it passes.
#[derive(Debug)]
pub struct CallContext {
    /// Who and what.
    pub identity: CallIdentity,
    /// Latest progress; a receiver exists only if the client asked for progress.
    pub progress: watch::Sender<Progress>,
}

impl CallContext {
    /// A context whose progress nobody watches.
    #[must_use]
    pub fn new(identity: CallIdentity) -> Self {
        Self {
            identity,
            progress: watch::Sender::new(Progress::default()),
        }
    }
}

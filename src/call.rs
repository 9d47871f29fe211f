//! What travels with one call through every room: its identity and the way to report progress.
//!
//! It stands below all rooms because each needs it: the guard makes it, tools and models report
//! progress into it, the broker says on whose behalf a secret was read. It holds no arguments
//! and no secrets, so it may be logged.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

/// Who makes calls.
#[derive(Clone, PartialEq)]
pub struct Principal {
    /// The name by which policy, audit and restrictions of secrets know them.
    pub id: String,
    /// How they are known.
    pub kind: PrincipalKind,
    /// What they belong to.
    pub groups: Vec<String>,
    /// What else is stated of them: by configuration, later by a token.
    pub claims: Map<String, Value>,
}

/// How a principal is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// The user of the operating system who started the server, over stdio.
    Local,
    /// The bearer of the HTTP token.
    Token,
}

impl PrincipalKind {
    /// One word, for policy and audit.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Token => "token",
        }
    }
}

// By hand: claims may be personal.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A client program, as it names itself: no more than a hint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Who caused a call, as far as logs and audit may tell.
#[derive(Debug, Clone)]
pub struct CallIdentity {
    /// Our id for this call: 32 hexadecimal digits, also given to the client in errors.
    pub request_id: String,
    /// The tool that was called.
    pub tool: String,
    /// On whose behalf: [`Principal::id`].
    pub principal: String,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Characters of answer received so far.
    pub characters: u64,
    /// Whether the request is on its way.
    pub is_sent: bool,
    /// Whether an answer has begun to come.
    pub has_begun: bool,
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

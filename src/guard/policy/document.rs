//! A call as it is written down, to try rules on it without making it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    config::Direction,
    decision::Decision,
    engine::Policy,
    facts::{FileFact, HeldFacts, Usage},
    tool::ToolShape,
};
use crate::call::{ClientInfo, Principal, PrincipalKind};

/// A call as it is written down. All but the tool may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallDocument {
    /// The tool that is called.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Who calls. Left out: `user`, by no proof but being at this machine.
    #[serde(default)]
    pub principal: PrincipalDocument,
    /// With which program.
    pub client: Option<ClientDocument>,
    /// The model that would be asked.
    pub model: Option<String>,
    /// The provider it would be asked through.
    pub provider: Option<String>,
    /// The files that would be read.
    #[serde(default)]
    pub files: Vec<FileFact>,
    /// Names of the secrets that would be used.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// What the principal has used so far.
    #[serde(default)]
    pub usage: Usage,
    /// The time (RFC 3339). Left out: now.
    pub now: Option<Timestamp>,
    /// The answer.
    pub result: Option<Value>,
    /// Whether the call is judged or its answer. Left out: the answer, if there is one.
    pub direction: Option<Direction>,
}

/// A principal as it is written down.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrincipalDocument {
    /// Who.
    pub id: String,
    /// How they are known: `local` or `token`.
    pub kind: PrincipalKind,
    /// What they belong to.
    pub groups: Vec<String>,
    /// What else is stated of them.
    pub claims: Map<String, Value>,
}

/// A client program as it is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientDocument {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Default for PrincipalDocument {
    fn default() -> Self {
        Self {
            id: "user".to_owned(),
            kind: PrincipalKind::Local,
            groups: Vec::new(),
            claims: Map::new(),
        }
    }
}

/// What becomes of a call that is written down.
pub(super) struct Outcome {
    pub(super) decision: Decision,
    /// Its answer, as it would be sent. `None`: there is none, or it is withheld.
    pub(super) result: Option<Value>,
}

impl CallDocument {
    pub(super) fn direction(&self) -> Direction {
        let from_result = if self.result.is_some() {
            Direction::Output
        } else {
            Direction::Input
        };
        self.direction.unwrap_or(from_result)
    }

    pub(super) fn facts(&self) -> HeldFacts {
        let client = self.client.as_ref().map(|client| ClientInfo {
            name: client.name.clone(),
            version: client.version.clone(),
        });
        HeldFacts {
            principal: Principal {
                id: self.principal.id.clone(),
                kind: self.principal.kind,
                groups: self.principal.groups.clone(),
                claims: self.principal.claims.clone(),
            },
            client,
            // By its name alone: the policy has its own of every tool it knows.
            tool: Arc::new(ToolShape {
                name: self.tool.clone(),
                ..ToolShape::default()
            }),
            args: self.arguments.clone(),
            model: self.model.clone(),
            provider: self.provider.clone(),
            files: self.files.clone(),
            secrets: self.secrets.clone(),
            usage: self.usage,
            now: self.now.unwrap_or_else(Timestamp::now),
        }
    }
}

impl Policy {
    /// What becomes of `call`.
    pub(super) async fn decide(&self, call: &CallDocument) -> Outcome {
        let held = call.facts();
        let facts = held.facts();
        match call.direction() {
            Direction::Input => Outcome {
                decision: self.input(&facts).await,
                result: None,
            },
            Direction::Output => {
                let mut result = call.result.clone().unwrap_or_default();
                let decision = self.output(&facts, &mut result).await;
                let is_sent = decision.verdict != super::decision::Verdict::Deny;
                Outcome {
                    decision,
                    result: is_sent.then_some(result),
                }
            }
        }
    }
}

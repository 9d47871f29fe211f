//! A call as the policy is shown it.

use serde_json::{Map, Value};

use super::{
    Caller,
    policy::{Facts, FileFact, ToolShape, Usage},
};
use crate::{
    tools::{Plan, PlannedFile},
    workspace::Workspace,
};

/// What the policy calls a file that is one.
const IMAGE: &str = "image";

/// What stays the same of a call between the policy's two looks at it.
pub(super) struct Scene<'a> {
    pub(super) caller: &'a Caller,
    pub(super) shape: &'a ToolShape,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) secrets: Vec<String>,
    pub(super) files: Vec<FileFact>,
}

impl<'a> Scene<'a> {
    /// Of a call that would use what `plan` says.
    pub(super) fn planned(caller: &'a Caller, shape: &'a ToolShape, plan: &Plan) -> Self {
        let fact = |file: &PlannedFile| FileFact {
            path: file.path.clone(),
            size: file.size,
            kind: IMAGE.to_owned(),
        };
        Self {
            caller,
            shape,
            model: plan.model().map(str::to_owned),
            provider: plan.provider().map(str::to_owned),
            secrets: plan.first_secrets(),
            files: plan.files.iter().map(fact).collect(),
        }
    }

    /// Of a call of which it is not known what it would use.
    pub(super) fn unplanned(caller: &'a Caller, shape: &'a ToolShape) -> Self {
        Self::planned(caller, shape, &Plan::default())
    }

    pub(super) fn facts<'b>(&'b self, args: &'b Map<String, Value>, usage: Usage) -> Facts<'b> {
        Facts {
            principal: &self.caller.principal,
            client: self.caller.client.as_ref(),
            tool: self.shape,
            args,
            model: self.model.as_deref(),
            provider: self.provider.as_deref(),
            files: &self.files,
            secrets: &self.secrets,
            usage,
            now: jiff::Timestamp::now(),
        }
    }
}

/// What the policy knows of files that could not be read: what they would be called.
pub(super) fn unread(plan: &Plan, workspace: &Workspace) -> Vec<FileFact> {
    let names = plan.wanted.iter();
    let names = names.flat_map(|wanted| workspace.candidates(&wanted.path));
    let fact = |path| FileFact {
        path,
        size: 0,
        kind: IMAGE.to_owned(),
    };
    names.map(fact).collect()
}

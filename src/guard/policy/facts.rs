//! What a call is judged by.
//!
//! Borrowed from the call itself where it is judged at once; held where it is judged on another
//! thread.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::tool::ToolShape;
use crate::{
    call::{ClientInfo, Principal},
    models::Cost,
};

/// What a call is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// With which program, if it told.
    pub client: Option<&'a ClientInfo>,
    /// What is called: one of the tools that the policy was compiled with.
    pub tool: &'a ToolShape,
    /// The arguments, valid by the tool's schema.
    pub args: &'a Map<String, Value>,
    /// The model that would be asked.
    pub model: Option<&'a str>,
    /// The provider it would be asked through.
    pub provider: Option<&'a str>,
    /// The files that would be read.
    pub files: &'a [FileFact],
    /// Names of the secrets that would be used.
    pub secrets: &'a [String],
    /// What the principal has used so far.
    pub usage: Usage,
    /// The time.
    pub now: Timestamp,
}

/// A file that a call would read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFact {
    /// Its root of the workspace as configuration writes it, and its real path below.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// What it is: `text`, `image` …
    pub kind: String,
}

/// What a principal has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Calls.
    pub calls: u64,
    /// Tokens of prompts.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// What they cost by list price, as far as prices are known.
    pub cost: Cost,
}

/// [`Facts`] that last as long as they must.
#[derive(Debug, Clone)]
pub(super) struct HeldFacts {
    pub(super) principal: Principal,
    pub(super) client: Option<ClientInfo>,
    pub(super) tool: Arc<ToolShape>,
    pub(super) args: Map<String, Value>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) files: Vec<FileFact>,
    pub(super) secrets: Vec<String>,
    pub(super) usage: Usage,
    pub(super) now: Timestamp,
}

impl HeldFacts {
    pub(super) fn copy(facts: &Facts<'_>, tool: Arc<ToolShape>) -> Self {
        Self {
            principal: facts.principal.clone(),
            client: facts.client.cloned(),
            tool,
            args: facts.args.clone(),
            model: facts.model.map(str::to_owned),
            provider: facts.provider.map(str::to_owned),
            files: facts.files.to_vec(),
            secrets: facts.secrets.to_vec(),
            usage: facts.usage,
            now: facts.now,
        }
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            principal: &self.principal,
            client: self.client.as_ref(),
            tool: &self.tool,
            args: &self.args,
            model: self.model.as_deref(),
            provider: self.provider.as_deref(),
            files: &self.files,
            secrets: &self.secrets,
            usage: self.usage,
            now: self.now,
        }
    }
}

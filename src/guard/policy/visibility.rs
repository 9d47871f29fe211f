//! Which tools a principal is shown.
//!
//! A tool that no call of theirs could run is not on their list. What depends on the call is left
//! to the call: the list shows a tool rather than hide one that might run.

use std::{sync::Arc, time::Instant};

use cel::Context;
use jiff::Timestamp;
use serde_json::Map;

use super::{
    config::DefaultAction,
    engine::Policy,
    facts::{Facts, Usage},
    rule::{Effect, Rule},
    variables::Variables,
};
use crate::call::{ClientInfo, Principal};

impl Policy {
    /// Whether `principal` may be shown `tool`: false if the policy can never let them run it.
    #[must_use]
    pub fn shows(&self, tool: &str, principal: &Principal, client: Option<&ClientInfo>) -> bool {
        self.may_run(tool, principal, client, None)
    }

    /// Whether `principal` may ask `model` of `provider` with `tool`: false if the policy can never
    /// let them. A model that is chosen for a call, rather than named by it, is chosen by this.
    #[must_use]
    pub fn admits_model(
        &self,
        tool: &str,
        principal: &Principal,
        client: Option<&ClientInfo>,
        model: (&str, &str),
    ) -> bool {
        self.may_run(tool, principal, client, Some(model))
    }

    fn may_run(
        &self,
        tool: &str,
        principal: &Principal,
        client: Option<&ClientInfo>,
        model: Option<(&str, &str)>,
    ) -> bool {
        let Some(tool) = self.tools.get(tool) else {
            return false;
        };
        // Of all this, rules that mean the same for every call read nothing else.
        let facts = Facts {
            principal,
            client,
            tool: &tool.shape,
            args: &Map::new(),
            model: model.map(|(model, _)| model),
            provider: model.map(|(_, provider)| provider),
            files: &[],
            secrets: &[],
            usage: Usage::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        let variables = Variables::new(&self.env, facts, None, Instant::now() + self.deadline);
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(&variables);
        let mut may_run = self.default == DefaultAction::Allow;
        let rules = tool
            .input
            .iter()
            .filter_map(|number| self.rules.get(*number));
        let is_about = |rule: &&Rule| match model {
            Some(_) => rule.applies(&facts),
            None => rule.is_about(principal),
        };
        for rule in rules.filter(is_about) {
            let is_static = rule.is_static(model.is_some());
            let holds = if is_static {
                rule.holds(&variables, &context).ok()
            } else {
                None
            };
            match (&rule.effect, holds) {
                (Effect::Deny, Some(true)) => return false,
                // A rule without a value denies every call.
                (_, None) if is_static => return false,
                (Effect::Allow | Effect::RequireApproval, None | Some(true)) => may_run = true,
                _ => {}
            }
        }
        may_run
    }
}

//! A rule that can be applied.

use super::{
    condition::Condition,
    config::Direction,
    facts::Facts,
    failure::Failure,
    glob::{Glob, PrincipalGlob},
    transform::Fields,
    variables::Variables,
};
use crate::call::Principal;

/// A rule that can be applied. Which tools it is about, the policy's index knows.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) direction: Direction,
    /// `None`: all.
    pub(super) principals: Option<Vec<PrincipalGlob>>,
    /// `None`: all.
    pub(super) models: Option<Vec<Glob>>,
    /// `None`: always.
    pub(super) condition: Option<Condition>,
    pub(super) effect: Effect,
    pub(super) reason: Option<String>,
}

/// What a rule does.
#[derive(Debug)]
pub(super) enum Effect {
    Allow,
    Deny,
    RequireApproval,
    /// To fields of the answer.
    Change(Fields),
}

impl Effect {
    /// The action's word.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::RequireApproval => "require_approval",
            Self::Change(fields) => fields.label(),
        }
    }
}

impl Rule {
    /// Whether it is about calls by `principal`.
    pub(super) fn is_about(&self, principal: &Principal) -> bool {
        let means = |globs: &Vec<PrincipalGlob>| globs.iter().any(|glob| glob.matches(principal));
        self.principals.as_ref().is_none_or(means)
    }

    /// Whether it is about the call that `facts` describe, whose tool it is about.
    pub(super) fn applies(&self, facts: &Facts<'_>) -> bool {
        let model = facts.model.unwrap_or_default();
        let means = |globs: &Vec<Glob>| globs.iter().any(|glob| glob.matches_in_any_case(model));
        self.models.as_ref().is_none_or(means) && self.is_about(facts.principal)
    }

    pub(super) fn iterates(&self) -> bool {
        self.condition
            .as_ref()
            .is_some_and(|condition| condition.checked.iterates)
    }

    /// Whether it means the same for all calls of one tool by one principal, whose model is known or
    /// not.
    pub(super) fn is_static(&self, is_model_known: bool) -> bool {
        let reads_call = |condition: &Condition| condition.checked.reads_call;
        (is_model_known || self.models.is_none())
            && !self.condition.as_ref().is_some_and(reads_call)
    }

    /// Whether its condition holds.
    ///
    /// # Errors
    /// The condition has no value, or there is no time left for it.
    pub(super) fn holds(
        &self,
        variables: &Variables<'_>,
        context: &cel::Context<'_, '_>,
    ) -> Result<bool, Failure> {
        let Some(condition) = &self.condition else {
            return Ok(true);
        };
        if !variables.meter.is_in_time() {
            return Err(Failure::TimedOut);
        }
        condition.holds(variables, context)
    }
}

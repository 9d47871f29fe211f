//! The policy in force: the rules, which tool has which, and how a call is judged by them.
//!
//! All rules about a call are applied, and nothing but their values decides. Conditions that may
//! take long, since they go through lists, run on threads of their own, of which there are few, and
//! the call waits for them no longer than [`DEADLINE`]; all others run where they are. Whatever
//! prevents a rule from having a value is a denial.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use cel::{Context, Env};
use serde_json::Value;
use tokio::{sync::Semaphore, task, time};

use super::{
    compile::RuleProblem,
    config::{DefaultAction, Direction},
    decision::{Decision, Verdict},
    facts::{Facts, HeldFacts},
    failure::Failure,
    loosen::loosen,
    rule::{Effect, Rule},
    tool::ToolShape,
    transform::{Fields, apply},
    variables::Variables,
};
use crate::guard::fields::FieldPattern;

/// How long the rules about one call may take, waiting for their turn included.
const DEADLINE: Duration = Duration::from_millis(250);

/// How many threads at once go through lists.
const TURNS: usize = 2;

/// How many rules are applied before other tasks get their turn.
const SLICE: usize = 256;

/// Whether a rule's condition holds, by the rule's number.
type Outcomes = Vec<(usize, Result<bool, Failure>)>;

/// The policy in force.
pub struct Policy {
    pub(super) env: Arc<Env>,
    pub(super) default: DefaultAction,
    pub(super) rules: Arc<[Rule]>,
    pub(super) tools: HashMap<String, ToolRules>,
    warnings: Vec<RuleProblem>,
    turns: Arc<Semaphore>,
    pub(super) deadline: Duration,
}

/// What concerns one tool.
pub(super) struct ToolRules {
    pub(super) shape: Arc<ToolShape>,
    /// The rules on its calls, by number.
    pub(super) input: Vec<usize>,
    /// The rules on its answers, by number.
    pub(super) output: Vec<usize>,
    /// The fields of its answers that its schema marks as sensitive.
    pub(super) sensitive: Vec<FieldPattern>,
}

impl Policy {
    pub(super) fn new(
        env: Arc<Env>,
        default: DefaultAction,
        rules: Vec<Rule>,
        tools: HashMap<String, ToolRules>,
        warnings: Vec<RuleProblem>,
    ) -> Self {
        Self {
            env,
            default,
            rules: rules.into(),
            tools,
            warnings,
            turns: Arc::new(Semaphore::new(TURNS)),
            deadline: DEADLINE,
        }
    }

    /// What may be meant otherwise than it was written, though it can be applied.
    #[must_use]
    pub fn warnings(&self) -> &[RuleProblem] {
        &self.warnings
    }

    /// The models that rules name outright and that are none of `known`: the rule's id and the
    /// name. Such a rule does nothing, and a name is mistyped more often than written in advance.
    #[must_use]
    pub fn unknown_models(&self, known: &[String]) -> Vec<(&str, &str)> {
        let mut unknown = Vec::new();
        for rule in self.rules.iter() {
            for glob in rule
                .models
                .iter()
                .flatten()
                .filter(|glob| glob.is_literal())
            {
                if !known.iter().any(|name| glob.matches_in_any_case(name)) {
                    unknown.push((rule.id.as_str(), glob.text()));
                }
            }
        }
        unknown
    }

    /// How many rules there are.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Whether a call that no rule speaks of runs.
    #[must_use]
    pub fn default_action(&self) -> DefaultAction {
        self.default
    }

    /// Whether there is anything to judge calls of `tool` by, or their answers: a rule, or a
    /// default that denies.
    #[must_use]
    pub fn judges(&self, tool: &str, direction: Direction) -> bool {
        self.tools.get(tool).is_none_or(|tool| match direction {
            Direction::Input => self.default == DefaultAction::Deny || !tool.input.is_empty(),
            Direction::Output => !tool.output.is_empty(),
        })
    }

    /// Judges a call, before it runs.
    pub async fn input(&self, facts: &Facts<'_>) -> Decision {
        let Some(tool) = self.tools.get(&facts.tool.name) else {
            return Decision::unknown_tool();
        };
        let judgement = self.judge(tool, &tool.input, facts, None).await;
        let denial = judgement.denial();
        denial.unwrap_or_else(|| judgement.on_call(self.default))
    }

    /// Judges the answer to a call that has run, and changes it as rules say. An answer that is
    /// denied is taken away.
    pub async fn output(&self, facts: &Facts<'_>, result: &mut Value) -> Decision {
        let Some(tool) = self.tools.get(&facts.tool.name) else {
            *result = Value::Null;
            return Decision::unknown_tool();
        };
        let judgement = self.judge(tool, &tool.output, facts, Some(result)).await;
        if let Some(denial) = judgement.denial() {
            *result = Value::Null;
            return denial;
        }
        let changes = judgement.changes();
        if changes.is_empty() {
            return Decision::allow(Vec::new());
        }
        apply(&changes, result, &tool.sensitive);
        judgement.decision(Verdict::Transform, |effect| {
            matches!(effect, Effect::Change(_))
        })
    }

    /// Takes out of `output_schema` of `tool` what rules may take out of its answers.
    pub fn loosen(&self, tool: &str, output_schema: &mut Value) {
        let Some(tool) = self.tools.get(tool) else {
            return;
        };
        let rules = tool
            .output
            .iter()
            .filter_map(|number| self.rules.get(*number));
        let touched = rules.filter_map(|rule| match &rule.effect {
            Effect::Change(fields) => Some(fields.touched(&tool.sensitive)),
            _ => None,
        });
        let (removed, emptied): (Vec<_>, Vec<_>) = touched.unzip();
        let all = |lists: Vec<_>| -> Vec<_> { lists.into_iter().flatten().collect() };
        loosen(output_schema, &all(removed), &all(emptied));
    }

    #[cfg(test)]
    pub(super) fn free_turns(&self) -> usize {
        self.turns.available_permits()
    }

    /// Holds all turns, as rules that take long do.
    #[cfg(test)]
    pub(super) async fn all_turns(&self) -> tokio::sync::OwnedSemaphorePermit {
        let turns = u32::try_from(TURNS).unwrap();
        Arc::clone(&self.turns)
            .acquire_many_owned(turns)
            .await
            .unwrap()
    }

    async fn judge(
        &self,
        tool: &ToolRules,
        numbers: &[usize],
        facts: &Facts<'_>,
        result: Option<&Value>,
    ) -> Judgement<'_> {
        let deadline = Instant::now() + self.deadline;
        let facts = Facts {
            tool: &tool.shape,
            ..*facts
        };
        let about = numbers
            .iter()
            .filter_map(|number| Some((*number, self.rules.get(*number)?)));
        let about = about.filter(|(_, rule)| rule.applies(&facts));
        let (long, short): (Vec<_>, Vec<_>) = about.partition(|(_, rule)| rule.iterates());
        let number = |rules: Vec<(usize, &Rule)>| -> Vec<usize> {
            rules.into_iter().map(|(number, _)| number).collect()
        };
        let (long, short) = (number(long), number(short));
        let mut outcomes = Outcomes::with_capacity(long.len() + short.len());
        for (slice, numbers) in short.chunks(SLICE).enumerate() {
            if slice > 0 {
                task::yield_now().await;
            }
            outcomes.extend(hold(
                &self.env,
                &self.rules,
                numbers,
                facts,
                result,
                deadline,
            ));
        }
        if !long.is_empty() {
            let held = self.hold_apart(tool, &long, &facts, result, deadline).await;
            outcomes.extend(held.unwrap_or_else(|failure| {
                long.iter().map(|number| (*number, Err(failure))).collect()
            }));
            outcomes.sort_by_key(|(number, _)| *number);
        }
        Judgement::of(&self.rules, outcomes)
    }

    /// As [`hold`], on a thread of its own. A condition that outlasts the deadline is not waited
    /// for, but keeps its turn until it has ended.
    async fn hold_apart(
        &self,
        tool: &ToolRules,
        numbers: &[usize],
        facts: &Facts<'_>,
        result: Option<&Value>,
        deadline: Instant,
    ) -> Result<Outcomes, Failure> {
        let until = time::Instant::from_std(deadline);
        let turn = time::timeout_at(until, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn
            .map_err(|_| Failure::TimedOut)?
            .map_err(|_| Failure::Internal)?;
        // Copied only now: calls that wait for their turn hold nothing twice.
        let facts = HeldFacts::copy(facts, Arc::clone(&tool.shape));
        let (env, rules) = (Arc::clone(&self.env), Arc::clone(&self.rules));
        let (numbers, result) = (numbers.to_vec(), result.cloned());
        let running = task::spawn_blocking(move || {
            let _turn = turn;
            hold(
                &env,
                &rules,
                &numbers,
                facts.facts(),
                result.as_ref(),
                deadline,
            )
        });
        let outcomes = time::timeout_at(until, running).await;
        outcomes
            .map_err(|_| Failure::TimedOut)?
            .map_err(|_| Failure::Internal)
    }
}

/// Whether the conditions of the rules `numbers` hold.
fn hold(
    env: &Arc<Env>,
    rules: &[Rule],
    numbers: &[usize],
    facts: Facts<'_>,
    result: Option<&Value>,
    deadline: Instant,
) -> Outcomes {
    let variables = Variables::new(env, facts, result, deadline);
    let mut context = Context::with_env(Arc::clone(env));
    context.set_variable_resolver(&variables);
    let rules = numbers
        .iter()
        .filter_map(|number| Some((*number, rules.get(*number)?)));
    rules
        .map(|(number, rule)| (number, rule.holds(&variables, &context)))
        .collect()
}

/// What came of the rules about a call, in their order.
struct Judgement<'p> {
    held: Vec<&'p Rule>,
    failed: Vec<(&'p str, Failure)>,
}

impl<'p> Judgement<'p> {
    fn of(rules: &'p [Rule], outcomes: Outcomes) -> Self {
        let mut judgement = Self {
            held: Vec::new(),
            failed: Vec::new(),
        };
        for (number, outcome) in outcomes {
            match (rules.get(number), outcome) {
                (Some(rule), Ok(true)) => judgement.held.push(rule),
                (Some(rule), Err(failure)) => judgement.failed.push((&rule.id, failure)),
                (_, Ok(false)) | (None, _) => {}
            }
        }
        judgement
    }

    /// The denial, if it is one: by a rule, or since one failed. A rule's own reason is the one that
    /// is told.
    fn denial(&self) -> Option<Decision> {
        let by_rule = self.decision(Verdict::Deny, |effect| matches!(effect, Effect::Deny));
        match (by_rule.rules.is_empty(), self.failed.is_empty()) {
            (true, true) => None,
            (false, true) => Some(by_rule),
            (is_by_failure, false) => {
                let failed = Decision::failed(&self.failed);
                Some(if is_by_failure {
                    failed
                } else {
                    Decision {
                        rules: [by_rule.rules, failed.rules].concat(),
                        reason: by_rule.reason,
                        ..failed
                    }
                })
            }
        }
    }

    /// What becomes of a call that is not denied by a rule.
    fn on_call(&self, default: DefaultAction) -> Decision {
        for (verdict, is_meant) in [
            (
                Verdict::RequireApproval,
                (|e| matches!(e, Effect::RequireApproval)) as fn(&Effect) -> bool,
            ),
            (Verdict::Allow, |effect| matches!(effect, Effect::Allow)),
        ] {
            let decision = self.decision(verdict, is_meant);
            if !decision.rules.is_empty() {
                return decision;
            }
        }
        match default {
            DefaultAction::Allow => Decision::allow(Vec::new()),
            DefaultAction::Deny => Decision::not_allowed(),
        }
    }

    /// What rules do to the answer.
    fn changes(&self) -> Vec<&'p Fields> {
        let changes = self.held.iter().filter_map(|rule| match &rule.effect {
            Effect::Change(fields) => Some(fields),
            _ => None,
        });
        changes.collect()
    }

    /// `verdict`, by the rules whose effect `is_meant`, for the first reason that one of them gives.
    fn decision(&self, verdict: Verdict, is_meant: fn(&Effect) -> bool) -> Decision {
        let rules: Vec<&&Rule> = self
            .held
            .iter()
            .filter(|rule| is_meant(&rule.effect))
            .collect();
        Decision {
            verdict,
            reason: rules.iter().find_map(|rule| rule.reason.clone()),
            ..Decision::allow(rules.iter().map(|rule| rule.id.clone()).collect())
        }
    }
}

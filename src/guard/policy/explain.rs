//! What each rule makes of one call, and what it saw of it: for the person who writes the rules.
//!
//! It shows values, so its output is for whoever wrote the call down, and goes into no log.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Instant,
};

use cel::Context;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    config::Direction,
    decision::Decision,
    document::CallDocument,
    engine::{Policy, ToolRules},
    facts::Facts,
    failure::Failure,
    rule::Rule,
    variables::Variables,
};

/// How something is written for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
}

/// What one rule makes of one call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleVerdict {
    /// The rule's id.
    pub rule: String,
    /// What it judges.
    pub direction: Direction,
    /// What it does when it holds.
    pub action: &'static str,
    /// Its `when` fits the call.
    pub matched_when: bool,
    /// What came of its condition.
    pub condition: ConditionVerdict,
    /// What the condition reads, and what that was in this call; null: the call has no such field.
    pub saw: Vec<Seen>,
}

/// What came of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionVerdict {
    /// It holds, or there is none.
    True,
    /// It does not hold.
    False,
    /// It has no value, which denies.
    Error(Failure),
    /// It was not asked: the rule is about other calls.
    NotEvaluated,
}

/// A path that a condition reads, and its value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// As it is written in the condition.
    pub path: String,
    /// Its value in this call, if it has one.
    pub value: Option<Value>,
}

impl Policy {
    /// What each rule makes of the call that `facts` describe and, if it is given, of its answer.
    /// Empty if the policy does not know the tool.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>, result: Option<&Value>) -> Vec<RuleVerdict> {
        let Some(tool) = self.tools.get(&facts.tool.name) else {
            return Vec::new();
        };
        let facts = Facts {
            tool: &tool.shape,
            ..*facts
        };
        let wanted = |rule: &Rule| rule.direction == Direction::Input || result.is_some();
        let numbered = self
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| wanted(rule));
        numbered
            .map(|(number, rule)| self.explain_rule(tool, number, rule, facts, result))
            .collect()
    }

    fn explain_rule(
        &self,
        tool: &ToolRules,
        number: usize,
        rule: &Rule,
        facts: Facts<'_>,
        result: Option<&Value>,
    ) -> RuleVerdict {
        let of_tool = match rule.direction {
            Direction::Input => &tool.input,
            Direction::Output => &tool.output,
        };
        let mut verdict = RuleVerdict {
            rule: rule.id.clone(),
            direction: rule.direction,
            action: rule.effect.label(),
            // Numbers are in order.
            matched_when: of_tool.binary_search(&number).is_ok() && rule.applies(&facts),
            condition: ConditionVerdict::NotEvaluated,
            saw: Vec::new(),
        };
        if !verdict.matched_when {
            return verdict;
        }
        let result = result.filter(|_| rule.direction == Direction::Output);
        let variables = Variables::new(&self.env, facts, result, Instant::now() + self.deadline);
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(&variables);
        verdict.condition = match rule.holds(&variables, &context) {
            Ok(true) => ConditionVerdict::True,
            Ok(false) => ConditionVerdict::False,
            Err(failure) => ConditionVerdict::Error(failure),
        };
        if let Some(condition) = &rule.condition {
            let saw = condition.saw(&self.env, &tool.shape, &context);
            verdict.saw = saw
                .into_iter()
                .map(|(path, value)| Seen { path, value })
                .collect();
        }
        verdict
    }

    /// Writes what becomes of `call`, and what each rule makes of it.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub async fn explain_call(
        &self,
        call: &CallDocument,
        format: Format,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let held = call.facts();
        let facts = held.facts();
        let decision = self.decide(call).await;
        let result = call
            .result
            .as_ref()
            .filter(|_| call.direction() == Direction::Output);
        let verdicts = self.explain(&facts, result);
        match format {
            Format::Json => {
                let document = json!({
                    "direction": call.direction(),
                    "verdict": decision.decision.verdict,
                    "rules": decision.decision.rules,
                    "reason": decision.decision.reason,
                    "detail": decision.decision.detail,
                    "result": decision.result,
                    "verdicts": verdicts,
                });
                serde_json::to_writer_pretty(&mut *out, &document)?;
                writeln!(out)
            }
            Format::Text => {
                write_decision(out, &decision.decision)?;
                if let Some(result) = &decision.result {
                    writeln!(out, "answer: {result}")?;
                }
                verdicts
                    .iter()
                    .try_for_each(|verdict| write_verdict(out, verdict))
            }
        }
    }
}

fn write_decision(out: &mut impl Write, decision: &Decision) -> io::Result<()> {
    let by = match decision.rules.as_slice() {
        [] => "by default".to_owned(),
        rules => format!("by {}", rules.join(", ")),
    };
    writeln!(out, "{} {by}", decision.verdict.label())?;
    for (what, text) in [("reason", &decision.reason), ("detail", &decision.detail)] {
        if let Some(text) = text {
            writeln!(out, "{what}: {text}")?;
        }
    }
    Ok(())
}

fn write_verdict(out: &mut impl Write, verdict: &RuleVerdict) -> io::Result<()> {
    let RuleVerdict {
        rule,
        direction,
        action,
        ..
    } = verdict;
    let came = match verdict.condition {
        ConditionVerdict::True => "holds".to_owned(),
        ConditionVerdict::False => "does not hold".to_owned(),
        ConditionVerdict::Error(failure) => format!("cannot be evaluated: {failure}"),
        ConditionVerdict::NotEvaluated => "is about other calls".to_owned(),
    };
    writeln!(out, "\n{rule} ({}, {action}): {came}", direction.label())?;
    for Seen { path, value } in &verdict.saw {
        match value {
            Some(value) => writeln!(out, "  {path} = {value}")?,
            None => writeln!(out, "  {path} is not there")?,
        }
    }
    Ok(())
}

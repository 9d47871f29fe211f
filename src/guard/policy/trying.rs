//! Each rule is tried once on a typical call of each tool it is about, before it is let near a real
//! one.
//!
//! This is what finds a comparison of a text with a number, or a field that only some of the tools
//! have. It finds nothing where a rule reads what no schema describes.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use cel::{Context, Env};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    condition::Condition,
    config::Direction,
    facts::{FileFact, HeldFacts, Usage},
    failure::Failure,
    sample::{Extent, sample},
    source::Fault,
    tool::ToolShape,
    variables::Variables,
};
use crate::{
    call::{ClientInfo, Principal, PrincipalKind},
    models::Cost,
};

/// How long one condition may take on a sample: more than in a call, since a busy machine must not
/// make a rule look wrong.
const DEADLINE: Duration = Duration::from_secs(5);

/// Typical calls, by tool.
pub(super) struct Samples(HashMap<String, [Sample; 2]>);

/// A typical call and its answer.
struct Sample {
    facts: HeldFacts,
    answer: Value,
}

impl Samples {
    pub(super) fn of(tools: &[ToolShape]) -> Self {
        let samples = tools.iter().map(|tool| {
            let shape = Arc::new(tool.clone());
            let samples = [Extent::Whole, Extent::Least].map(|extent| Sample::of(&shape, extent));
            (tool.name.clone(), samples)
        });
        Self(samples.collect())
    }

    /// Tries `condition` on calls of `tools`. It may come out as a warning about calls that leave
    /// out what they may leave out.
    ///
    /// # Errors
    /// It fails on calls that leave nothing out.
    pub(super) fn try_on(
        &self,
        condition: &Condition,
        env: &Arc<Env>,
        direction: Direction,
        tools: &[&ToolShape],
    ) -> Result<Option<Fault>, Fault> {
        if condition.checked.reads_unknown {
            return Ok(None);
        }
        let mut warning = None;
        for tool in tools {
            let Some([whole, least]) = self.0.get(&tool.name) else {
                continue;
            };
            if let Some(failure) = whole.failure(condition, env, direction, true) {
                return Err(Fault::new(
                    None,
                    format!("tried on a call of `{}`: {failure}", tool.name),
                    advice(failure),
                ));
            }
            let failure = least.failure(condition, env, direction, false);
            if matches!(
                failure,
                Some(Failure::Absent | Failure::Index | Failure::Type)
            ) {
                warning.get_or_insert_with(|| {
                    Fault::new(
                        None,
                        format!(
                            "calls of `{}` are refused that leave out something optional which \
                             this reads",
                            tool.name
                        ),
                        "if they should not be, ask first: `has(args.x) && ...`, or \
                         `size(files) > 0 && ...`",
                    )
                });
            }
        }
        Ok(warning)
    }
}

fn advice(failure: Failure) -> &'static str {
    match failure {
        Failure::Absent => {
            "name the tools that have the field under `when.tools`, or ask first: \
             `has(args.x) && ...`"
        }
        Failure::Type => {
            "compare like with like: a number with a number, a text with a text in quotes; the \
             tool's schema says what a field is"
        }
        Failure::NotBoolean => "a condition is true or false: compare the value with something",
        _ => "`keyward policy explain` shows what the rule sees",
    }
}

impl Sample {
    fn of(tool: &Arc<ToolShape>, extent: Extent) -> Self {
        let args = match sample(&tool.input_schema, extent) {
            Value::Object(args) => args,
            _ => Map::new(),
        };
        let is_whole = extent == Extent::Whole;
        let some = |text: &str| is_whole.then(|| text.to_owned());
        let one = u64::from(is_whole);
        let facts = HeldFacts {
            principal: Principal {
                id: "sample".to_owned(),
                kind: PrincipalKind::Local,
                groups: some("sample").into_iter().collect(),
                claims: Map::new(),
            },
            client: is_whole.then(ClientInfo::default),
            tool: Arc::clone(tool),
            args,
            model: some("sample"),
            provider: some("sample"),
            files: some("sample")
                .map(|path| FileFact {
                    path,
                    size: 1,
                    kind: "text".to_owned(),
                })
                .into_iter()
                .collect(),
            secrets: some("sample").into_iter().collect(),
            usage: Usage {
                calls: one,
                input_tokens: one,
                output_tokens: one,
                cost: Cost(one),
            },
            now: Timestamp::UNIX_EPOCH,
        };
        let answer = sample(&tool.output_schema, extent);
        Self { facts, answer }
    }

    /// Why `condition` has no value here. With `thorough`, operands that are not reached count too.
    fn failure(
        &self,
        condition: &Condition,
        env: &Arc<Env>,
        direction: Direction,
        thorough: bool,
    ) -> Option<Failure> {
        let answer = (direction == Direction::Output).then_some(&self.answer);
        let deadline = Instant::now() + DEADLINE;
        let variables = Variables::new(env, self.facts.facts(), answer, deadline);
        let mut context = Context::with_env(Arc::clone(env));
        context.set_variable_resolver(&variables);
        if let Err(failure) = condition.holds(&variables, &context) {
            return Some(failure);
        }
        let is_mistyped = thorough && condition.has_mistyped_operand(&variables, &context);
        is_mistyped.then_some(Failure::Type)
    }
}

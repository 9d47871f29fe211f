//! A condition that may be run: its expression, and what is known of it.

use std::panic::{self, AssertUnwindSafe};

use cel::{
    Context, Env, Value as CelValue,
    common::{
        ast::{Expr, SourceInfo, operators},
        types::CelBool,
    },
    parser::Expression,
};
use serde_json::Value;

use super::{
    check::{self, Checked, Scene},
    failure::Failure,
    operations::Pattern,
    rewrite::Rewriting,
    roots::{Meaning, Vocabulary},
    source::{self, Fault},
    tool::{ToolShape, property_names},
    variables::Variables,
};

/// A condition that may be run.
#[derive(Debug)]
pub(super) struct Condition {
    expression: Expression,
    /// Regular expressions, by the names that stand for them.
    patterns: Vec<(String, Pattern)>,
    pub(super) checked: Checked,
    vocabulary: Vocabulary,
}

impl Condition {
    /// Reads `text`. To be called on a thread with a stack of [`source::STACK`] bytes.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn compile(env: &Env, text: &str, scene: Scene<'_>) -> Result<Self, Vec<Fault>> {
        let (mut expression, info) = source::parse(env, text).map_err(|fault| vec![fault])?;
        let checked = check::check(&expression, &info, scene)?;
        let is_parameter = |name: &str| {
            scene.vocabulary.meaning(name, scene.direction, scene.tools) == Meaning::Parameter
        };
        let mut rewriting = Rewriting::new(scene.vocabulary, &is_parameter);
        rewriting.rewrite(&mut expression);
        if !rewriting.bad.is_empty() {
            let faults = rewriting.bad.iter().map(|bad| bad_pattern(&info, bad.id));
            return Err(faults.collect());
        }
        Ok(Self {
            expression,
            patterns: rewriting.patterns,
            checked,
            vocabulary: scene.vocabulary,
        })
    }

    /// Whether it is true of the call that `variables` are of, which `context` looks up.
    ///
    /// # Errors
    /// It is neither true nor false.
    pub(super) fn holds(
        &self,
        variables: &Variables<'_>,
        context: &Context<'_, '_>,
    ) -> Result<bool, Failure> {
        variables.meter.reset();
        // The interpreter has places that panic, which no checked expression is known to reach.
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| self.run(context)));
        let outcome = outcome.unwrap_or(Err(Failure::Internal));
        variables.meter.failure().map_or(outcome, Err)
    }

    fn run(&self, context: &Context<'_, '_>) -> Result<bool, Failure> {
        if self.patterns.is_empty() {
            return boolean(&self.expression, context);
        }
        boolean(&self.expression, &self.scope(context))
    }

    /// `context` with the regular expressions.
    fn scope<'p, 'v>(&self, context: &'p Context<'_, 'v>) -> Context<'p, 'v> {
        let mut scope = context.new_inner_scope();
        for (name, pattern) in &self.patterns {
            scope.add_variable_as_val(name, Box::new(pattern.clone()));
        }
        scope
    }

    /// Whether an operand of `&&`, `||`, `!` or `? :` does not go with the types of the call that
    /// `context` looks up, even one that is not reached in that call.
    pub(super) fn has_mistyped_operand(
        &self,
        variables: &Variables<'_>,
        context: &Context<'_, '_>,
    ) -> bool {
        let scope = self.scope(context);
        operands(&self.expression).into_iter().any(|operand| {
            variables.meter.reset();
            let run = || {
                CelValue::resolve_val(operand, &scope)
                    .err()
                    .as_ref()
                    .map(Failure::from)
            };
            let outcome = panic::catch_unwind(AssertUnwindSafe(run));
            matches!(outcome, Ok(Some(Failure::Type)))
        })
    }

    /// What it reads in the call that `context` looks up: each path, and its value if it has one.
    pub(super) fn saw(
        &self,
        env: &Env,
        tool: &ToolShape,
        context: &Context<'_, '_>,
    ) -> Vec<(String, Option<Value>)> {
        let value = |path: &str| {
            let (mut expression, _) = source::parse(env, path).ok()?;
            let is_parameter =
                |name: &str| property_names(&tool.input_schema).any(|known| known == name);
            Rewriting::new(self.vocabulary, &is_parameter).rewrite(&mut expression);
            CelValue::resolve(&expression, context).ok()?.json().ok()
        };
        self.checked
            .paths
            .iter()
            .map(|path| (path.clone(), value(path)))
            .collect()
    }
}

fn boolean(expression: &Expression, context: &Context<'_, '_>) -> Result<bool, Failure> {
    match CelValue::resolve_val(expression, context) {
        Ok(value) => value
            .downcast_ref::<CelBool>()
            .map(|value| *value.inner())
            .ok_or(Failure::NotBoolean),
        Err(error) => Err(Failure::from(&error)),
    }
}

/// The operands of `&&`, `||`, `!` and `? :`, at any depth of these.
fn operands(expression: &Expression) -> Vec<&Expression> {
    const LOGICAL: [&str; 4] = [
        operators::CONDITIONAL,
        operators::LOGICAL_AND,
        operators::LOGICAL_NOT,
        operators::LOGICAL_OR,
    ];
    match &expression.expr {
        Expr::Call(call) if LOGICAL.contains(&call.func_name.as_str()) => {
            call.args.iter().flat_map(operands).collect()
        }
        _ => vec![expression],
    }
}

fn bad_pattern(info: &SourceInfo, id: u64) -> Fault {
    let start = info.offset_for(id).map(|(start, _)| start);
    Fault::new(
        start.and_then(|start| source::place(&info.source, start)),
        "this is no regular expression, or one that is too large",
        "regular expressions have no look-around and no back-references; write smaller repetitions",
    )
}

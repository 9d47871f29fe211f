//! The check of a condition before it is ever run: names, fields, functions, and how far it may go.
//!
//! CEL as we have it reports an unknown name when it meets it, which for a rule that guards against
//! something rare is too late. So the expression is walked at load, with the names that
//! comprehensions bind kept apart from those that calls provide. It says nothing of types: those
//! are found by running the condition on a sample.

use std::collections::BTreeSet;

use cel::{
    common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, SourceInfo, operators},
    parser::Expression,
};

use super::{
    config::Direction,
    expression::{is_constant, is_deeper, is_path, nested, parts, path},
    functions::{self, Form},
    rewrite::appended,
    roots::{Meaning, Root, Vocabulary},
    shape::{Field, Shape},
    source::{self, Fault},
    tool::ToolShape,
};
use crate::nearest::meant;

/// How deep an expression may be.
const MAX_DEPTH: usize = 32;

/// How many comprehensions may stand within, or follow, one another.
const MAX_COMPREHENSIONS: usize = 2;

/// What a condition may speak of.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s> {
    pub(super) vocabulary: Vocabulary,
    pub(super) direction: Direction,
    /// The tools that its rule is about.
    pub(super) tools: &'s [&'s ToolShape],
}

/// What is known of a condition that may be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checked {
    /// The paths of variables that it reads, as they are written.
    pub(super) paths: BTreeSet<String>,
    /// It has comprehensions.
    pub(super) iterates: bool,
    /// It reads what no schema describes, so that a sample shows nothing.
    pub(super) reads_unknown: bool,
    /// It reads what differs between calls of one tool by one principal.
    pub(super) reads_call: bool,
}

/// Checks `expression`, which `info` places in its source.
///
/// # Errors
/// All that is wrong.
pub(super) fn check(
    expression: &Expression,
    info: &SourceInfo,
    scene: Scene<'_>,
) -> Result<Checked, Vec<Fault>> {
    let mut walk = Walk {
        scene,
        info,
        bound: Vec::new(),
        found: Checked::default(),
        faults: Vec::new(),
    };
    if is_deeper(expression, MAX_DEPTH) {
        walk.refuse(
            expression,
            format!("the condition is deeper than {MAX_DEPTH} operations within one another"),
            "write several rules, or `in [...]` for a long row of alternatives",
        );
        return Err(walk.faults);
    }
    if nested(expression) > MAX_COMPREHENSIONS {
        walk.refuse(
            expression,
            format!(
                "more than {MAX_COMPREHENSIONS} of `all`, `exists`, `exists_one`, `map` and \
                 `filter` within or after one another"
            ),
            "write several rules",
        );
    }
    walk.visit(expression);
    if walk.faults.is_empty() {
        Ok(walk.found)
    } else {
        Err(walk.faults)
    }
}

struct Walk<'s> {
    scene: Scene<'s>,
    info: &'s SourceInfo,
    /// Names that comprehensions around bind, innermost last.
    bound: Vec<(String, Shape<'s>)>,
    found: Checked,
    faults: Vec<Fault>,
}

impl<'s> Walk<'s> {
    fn refuse(&mut self, at: &Expression, message: impl Into<String>, help: impl Into<String>) {
        let start = self.info.offset_for(at.id).map(|(start, _)| start);
        let place = start.and_then(|start| source::place(&self.info.source, start));
        self.faults.push(Fault::new(place, message, help));
    }

    /// Checks `expression`; says what is known of its value.
    fn visit(&mut self, expression: &Expression) -> Shape<'s> {
        if let Some(path) = path(expression) {
            let is_bound = self.bound.iter().any(|(name, _)| *name == path.root);
            if !is_bound && !functions::TYPES.contains(&path.root) {
                self.found.paths.insert(path.text);
            }
        }
        self.look(expression)
    }

    /// As [`Self::visit`], for the part of a path that is not its end.
    fn visit_operand(&mut self, operand: &Expression) -> Shape<'s> {
        if path(operand).is_some() {
            self.look(operand)
        } else {
            self.visit(operand)
        }
    }

    fn look(&mut self, expression: &Expression) -> Shape<'s> {
        match &expression.expr {
            Expr::Literal(_) => Shape::Computed,
            Expr::Ident(name) => self.visit_name(expression, name),
            Expr::Select(select) => {
                let operand = self.visit_operand(&select.operand);
                self.field(expression, operand, &select.field)
            }
            Expr::Call(call) => self.visit_call(expression, call),
            Expr::Comprehension(fold) => self.visit_comprehension(expression, fold),
            Expr::List(_) | Expr::Map(_) => {
                let is_constant = parts(expression).into_iter().all(is_constant);
                if !self.bound.is_empty() && !is_constant {
                    self.refuse(
                        expression,
                        "a list or map that is made anew for each item holds something computed",
                        "within a comprehension, lists and maps hold constants only",
                    );
                }
                for part in parts(expression) {
                    self.visit(part);
                }
                Shape::Computed
            }
            Expr::Struct(_) | Expr::Unspecified => {
                self.refuse(
                    expression,
                    "there are no messages here",
                    "compare fields one by one",
                );
                Shape::Computed
            }
        }
    }

    fn visit_name(&mut self, at: &Expression, name: &str) -> Shape<'s> {
        if let Some((_, shape)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return shape.clone();
        }
        if functions::TYPES.contains(&name) {
            return Shape::Computed;
        }
        let Scene {
            vocabulary,
            direction,
            tools,
        } = self.scene;
        match vocabulary.meaning(name, direction, tools) {
            Meaning::Root(root) => {
                self.found.reads_call |= !root.is_static();
                Shape::of(root.known(), tools)
            }
            Meaning::Parameter => {
                self.found.reads_call = true;
                self.field(at, Shape::of(Root::Args.known(), tools), name)
            }
            Meaning::AnswerTooEarly => {
                self.refuse(
                    at,
                    "there is no answer yet when a call is judged",
                    "a rule on answers has `when: { direction: output }`",
                );
                Shape::Computed
            }
            Meaning::Nothing => {
                let names = vocabulary.names(direction, tools);
                let help = suggestion(name, &names);
                self.refuse(at, "there is no variable of this name", help);
                Shape::Computed
            }
        }
    }

    fn field(&mut self, at: &Expression, of: Shape<'s>, name: &str) -> Shape<'s> {
        match of.field(name) {
            Field::Known(shape) => {
                self.found.reads_unknown |= matches!(shape, Shape::Unknown);
                shape
            }
            Field::Absent(names) => {
                let help = if names.is_empty() {
                    "this value has no fields".to_owned()
                } else {
                    suggestion(name, &names)
                };
                self.refuse(at, "there is no field of this name", help);
                Shape::Computed
            }
        }
    }

    fn visit_call(&mut self, at: &Expression, call: &CallExpr) -> Shape<'s> {
        if call.func_name == operators::INDEX
            && let [of, index] = call.args.as_slice()
        {
            let shape = self.visit_operand(of);
            if let Expr::Literal(LiteralValue::String(name)) = &index.expr {
                return self.field(at, shape, name.inner());
            }
            self.visit(index);
            let item = shape.item();
            self.found.reads_unknown |= matches!(item, Shape::Unknown);
            return item;
        }
        for part in parts(at) {
            self.visit(part);
        }
        match functions::form(&call.func_name, call.target.is_some()) {
            Form::Offered => {}
            Form::Macro => self.refuse(
                at,
                "this is not how a macro is written",
                "as in `has(args.model)` and `files.exists(f, f.size > 10)`; also `all`, \
                 `exists_one`, `map` and `filter`",
            ),
            Form::Misplaced(help) => {
                self.refuse(at, "this is not how the function is called", help)
            }
            Form::Unknown => {
                let help = suggestion(&call.func_name, &functions::names());
                self.refuse(at, "there is no function of this name", help);
            }
        }
        if call.func_name == "matches"
            && let Some(pattern) = call.args.last()
            && !matches!(pattern.expr, Expr::Literal(LiteralValue::String(_)))
        {
            self.refuse(
                pattern,
                "a regular expression that is not written out",
                "give `matches` a string in quotes, which is checked when the policy is loaded",
            );
        }
        Shape::Computed
    }

    fn visit_comprehension(&mut self, at: &Expression, fold: &ComprehensionExpr) -> Shape<'s> {
        self.found.iterates = true;
        let is_plain = matches!(fold.iter_range.expr, Expr::List(_) | Expr::Comprehension(_))
            || is_path(&fold.iter_range);
        if !is_plain {
            self.refuse(
                &fold.iter_range,
                "what a comprehension goes through is computed",
                "go through a variable, a list that is written out, or another comprehension",
            );
        }
        let range = self.visit(&fold.iter_range);
        let Scene {
            vocabulary,
            direction,
            tools,
        } = self.scene;
        let is_taken = vocabulary.meaning(&fold.iter_var, direction, tools) != Meaning::Nothing
            || functions::TYPES.contains(&fold.iter_var.as_str())
            || self.bound.iter().any(|(name, _)| *name == fold.iter_var)
            || fold.iter_var.starts_with('.');
        if is_taken {
            self.refuse(
                at,
                "a comprehension gives its items a name that is taken",
                "name them otherwise, as in `files.exists(f, f.size > 10)`",
            );
        }
        let item = range.clone().item();
        self.found.reads_unknown |= matches!(item, Shape::Unknown);
        self.bound.push((fold.iter_var.clone(), item));
        self.bound.push((fold.accu_var.clone(), Shape::Computed));
        // What the macro made of the condition around what the author wrote.
        match appended(fold) {
            Some((guard, item)) => {
                for part in guard.into_iter().chain([item]) {
                    self.visit(part);
                }
            }
            None => {
                for part in parts(&fold.loop_step) {
                    self.visit(part);
                }
            }
        }
        self.bound.truncate(self.bound.len().saturating_sub(2));
        // `filter` gives items of the same shape; `map` something computed.
        match appended(fold) {
            Some((Some(_), item)) if matches!(&item.expr, Expr::Ident(name) if *name == fold.iter_var) => {
                range
            }
            _ => Shape::Computed,
        }
    }
}

fn suggestion(word: &str, names: &[&str]) -> String {
    match meant(word, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let mut names: Vec<&str> = names.to_vec();
            names.sort_unstable();
            names.dedup();
            format!("there are: {}", names.join(", "))
        }
    }
}

//! From the expression that was written to the one that is run.
//!
//! Comparisons, `+` and `matches` become operations of ours (see `operations`), and every
//! comprehension asks at each turn whether it may go on. The names used for this begin with `@`,
//! which no condition can write.

use cel::{
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators},
    parser::Expression,
};
use regex::{Regex, RegexBuilder};

use super::{
    operations::{ADD, AMONG, DIFFERENT, EQUAL, MATCHES, Pattern},
    roots::Vocabulary,
};

/// True as long as the evaluation may go on; else it has no value.
pub(super) const GO_ON: &str = "@go_on";
/// The evaluation's meter.
pub(super) const METER: &str = "@meter";
/// Before a parameter's name: that argument, or null if the call does not have it.
pub(super) const PARAMETER: &str = "@parameter:";

/// The most memory, in bytes, that one compiled regular expression may take.
const REGEX_BYTES: usize = 1024 * 1024;

/// Where a regular expression stands that is none, or too large.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadPattern {
    /// The expression's id in its source.
    pub(super) id: u64,
}

/// What a rewriting collects.
pub(super) struct Rewriting<'s> {
    pub(super) vocabulary: Vocabulary,
    /// Whether a bare name is a parameter of a tool.
    pub(super) is_parameter: &'s dyn Fn(&str) -> bool,
    /// Regular expressions, by the names that now stand for them.
    pub(super) patterns: Vec<(String, Pattern)>,
    pub(super) bad: Vec<BadPattern>,
    bound: Vec<String>,
}

impl<'s> Rewriting<'s> {
    pub(super) fn new(vocabulary: Vocabulary, is_parameter: &'s dyn Fn(&str) -> bool) -> Self {
        Self {
            vocabulary,
            is_parameter,
            patterns: Vec::new(),
            bad: Vec::new(),
            bound: Vec::new(),
        }
    }

    /// Rewrites `expression` in place. It must have passed the check.
    pub(super) fn rewrite(&mut self, expression: &mut Expression) {
        match &mut expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.rewrite_name(name),
            Expr::Select(select) => self.rewrite(&mut select.operand),
            Expr::List(list) => list.elements.iter_mut().for_each(|item| self.rewrite(item)),
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.rewrite(&mut entry.key);
                        self.rewrite(&mut entry.value);
                    }
                }
            }
            Expr::Struct(_) => {}
            Expr::Call(call) => self.rewrite_call(call),
            Expr::Comprehension(fold) => self.rewrite_comprehension(fold),
        }
    }

    fn rewrite_name(&self, name: &mut String) {
        if self.vocabulary != Vocabulary::Mxcp || self.bound.contains(name) {
            return;
        }
        if name == "response" {
            "result".clone_into(name);
        } else if name != "user" && (self.is_parameter)(name) {
            *name = format!("{PARAMETER}{name}");
        }
    }

    fn rewrite_call(&mut self, call: &mut CallExpr) {
        if let Some(target) = &mut call.target {
            self.rewrite(target);
        }
        call.args
            .iter_mut()
            .for_each(|argument| self.rewrite(argument));
        match call.func_name.as_str() {
            operators::EQUALS => EQUAL.clone_into(&mut call.func_name),
            operators::NOT_EQUALS => DIFFERENT.clone_into(&mut call.func_name),
            operators::IN => AMONG.clone_into(&mut call.func_name),
            operators::ADD => {
                ADD.clone_into(&mut call.func_name);
                call.args.push(name(METER));
            }
            "matches" => self.rewrite_matches(call),
            _ => {}
        }
    }

    fn rewrite_matches(&mut self, call: &mut CallExpr) {
        let (Some(target), Some(pattern)) = (call.target.take(), call.args.pop()) else {
            return;
        };
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
            return;
        };
        match compile(text.inner()) {
            Some(regex) => {
                let standing = format!("@pattern:{}", self.patterns.len());
                call.args = vec![*target, name(&standing)];
                MATCHES.clone_into(&mut call.func_name);
                self.patterns.push((standing, Pattern(regex)));
            }
            None => self.bad.push(BadPattern { id: pattern.id }),
        }
    }

    fn rewrite_comprehension(&mut self, fold: &mut ComprehensionExpr) {
        self.rewrite(&mut fold.iter_range);
        self.bound.push(fold.iter_var.clone());
        // `map` and `filter` are fast only as long as their step keeps its form and their condition
        // is a literal: there the question goes into what the author wrote.
        if let Some((guard, item)) = appended_mut(fold) {
            match guard {
                Some(guard) => {
                    self.rewrite(guard);
                    self.rewrite(item);
                    ask_before(guard);
                }
                None => {
                    self.rewrite(item);
                    ask_before(item);
                }
            }
        } else {
            self.rewrite(&mut fold.loop_step);
            self.rewrite(&mut fold.result);
            ask_before(&mut fold.loop_cond);
        }
        self.bound.pop();
    }
}

/// What `map` and `filter` make: the condition on which an item is kept, and the item.
pub(super) fn appended(fold: &ComprehensionExpr) -> Option<(Option<&Expression>, &Expression)> {
    let (guard, step) = match &fold.loop_step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            let [guard, step, _] = call.args.as_slice() else {
                return None;
            };
            (Some(guard), step)
        }
        _ => (None, &fold.loop_step),
    };
    let Expr::Call(call) = &step.expr else {
        return None;
    };
    let [
        before,
        Expression {
            expr: Expr::List(list),
            ..
        },
    ] = call.args.as_slice()
    else {
        return None;
    };
    let is_ours = call.func_name == operators::ADD
        && matches!(&before.expr, Expr::Ident(name) if *name == fold.accu_var);
    let [item] = list.elements.as_slice() else {
        return None;
    };
    is_ours.then_some((guard, item))
}

/// As [`appended`].
fn appended_mut(
    fold: &mut ComprehensionExpr,
) -> Option<(Option<&mut Expression>, &mut Expression)> {
    let is_guarded = appended(fold)?.0.is_some();
    let Expr::Call(step) = &mut fold.loop_step.expr else {
        return None;
    };
    let (guard, step) = if is_guarded {
        let [guard, step, _] = step.args.as_mut_slice() else {
            return None;
        };
        let Expr::Call(step) = &mut step.expr else {
            return None;
        };
        (Some(guard), step)
    } else {
        (None, step)
    };
    let [
        _,
        Expression {
            expr: Expr::List(list),
            ..
        },
    ] = step.args.as_mut_slice()
    else {
        return None;
    };
    Some((guard, list.elements.first_mut()?))
}

/// Makes `expression` into `@go_on ? expression : false`. A condition without a value ends a
/// comprehension, whereas an operand of `&&` or `||` might be ignored.
fn ask_before(expression: &mut Expression) {
    let asked = std::mem::take(expression);
    let never = Expression {
        id: asked.id,
        expr: Expr::Literal(LiteralValue::Boolean(false.into())),
    };
    *expression = Expression {
        id: asked.id,
        expr: Expr::Call(CallExpr {
            func_name: operators::CONDITIONAL.to_owned(),
            target: None,
            args: vec![name(GO_ON), asked, never],
        }),
    };
}

fn name(text: &str) -> Expression {
    Expression {
        id: 0,
        expr: Expr::Ident(text.to_owned()),
    }
}

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES)
        .build()
        .ok()
}

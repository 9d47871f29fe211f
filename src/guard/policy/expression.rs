//! The parts of an expression, and what can be said of it by its form alone.

use cel::{
    common::ast::{EntryExpr, Expr, LiteralValue, operators},
    parser::Expression,
};

/// The parts of an expression, in the order of evaluation.
pub(super) fn parts(expression: &Expression) -> Vec<&Expression> {
    match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::Comprehension(fold) => vec![
            &fold.iter_range,
            &fold.accu_init,
            &fold.loop_cond,
            &fold.loop_step,
            &fold.result,
        ],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| entry_parts(&entry.expr))
            .collect(),
        Expr::Struct(made) => made
            .entries
            .iter()
            .flat_map(|entry| entry_parts(&entry.expr))
            .collect(),
        Expr::Select(select) => vec![&select.operand],
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&Expression> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// Whether it is more than `than` operations deep.
pub(super) fn is_deeper(expression: &Expression, than: usize) -> bool {
    let Some(below) = than.checked_sub(1) else {
        return true;
    };
    parts(expression)
        .into_iter()
        .any(|part| is_deeper(part, below))
}

/// The most comprehensions on one way through the expression.
pub(super) fn nested(expression: &Expression) -> usize {
    let below = parts(expression).into_iter().map(nested).max().unwrap_or(0);
    below + usize::from(matches!(expression.expr, Expr::Comprehension(_)))
}

/// Whether it is a literal, or a list of literals.
pub(super) fn is_constant(expression: &Expression) -> bool {
    match &expression.expr {
        Expr::Literal(_) => true,
        Expr::List(_) => parts(expression).into_iter().all(is_constant),
        _ => false,
    }
}

/// Whether it is a variable, or reached from one by fields and indices.
pub(super) fn is_path(expression: &Expression) -> bool {
    match &expression.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => !select.test && is_path(&select.operand),
        Expr::Call(call) => {
            call.func_name == operators::INDEX && call.args.first().is_some_and(is_path)
        }
        _ => false,
    }
}

/// A path of a variable, all of whose steps are written out.
pub(super) struct Path<'e> {
    pub(super) root: &'e str,
    pub(super) text: String,
}

/// The path that it is, if it is one.
pub(super) fn path(expression: &Expression) -> Option<Path<'_>> {
    let (below, step) = match &expression.expr {
        Expr::Ident(root) => {
            let text = root.clone();
            return Some(Path { root, text });
        }
        Expr::Select(select) => (path(&select.operand)?, format!(".{}", select.field)),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [of, index] = call.args.as_slice() else {
                return None;
            };
            let step = match &index.expr {
                Expr::Literal(LiteralValue::String(name)) => {
                    format!("[{}]", serde_json::Value::from(name.inner()))
                }
                Expr::Literal(LiteralValue::Int(index)) => format!("[{}]", index.inner()),
                _ => return None,
            };
            (path(of)?, step)
        }
        _ => return None,
    };
    Some(Path {
        text: below.text + &step,
        ..below
    })
}

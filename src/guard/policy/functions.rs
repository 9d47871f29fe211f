//! The functions that a condition may call.
//!
//! A list of what is offered, not of what the interpreter happens to have: what copies without
//! bound, such as `bytes`, is not on it.

use cel::common::ast::operators;

/// How a name stands to a call of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Offered,
    /// There is a macro of this name, written otherwise.
    Macro,
    /// It is offered, written like this.
    Misplaced(&'static str),
    Unknown,
}

/// Names of types, which `type(x)` is compared with.
pub(super) const TYPES: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

/// What the parser makes of operators, and macros of themselves.
const OPERATORS: [&str; 18] = [
    operators::ADD,
    operators::CONDITIONAL,
    operators::DIVIDE,
    operators::EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::IN,
    operators::INDEX,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::LOGICAL_AND,
    operators::LOGICAL_NOT,
    operators::LOGICAL_OR,
    operators::MODULO,
    operators::MULTIPLY,
    operators::NEGATE,
    operators::NOT_EQUALS,
    operators::SUBSTRACT,
];

const MACROS: [&str; 6] = ["all", "exists", "exists_one", "filter", "has", "map"];

/// Called as `name(x)`.
const GLOBAL: [&str; 10] = [
    "bool",
    "double",
    "duration",
    "dyn",
    "int",
    "size",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Called as `x.name()`.
const MEMBER: [&str; 15] = [
    "contains",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "matches",
    "size",
    "startsWith",
];

/// How `name`, called on a value or not, is to be taken.
pub(super) fn form(name: &str, is_member: bool) -> Form {
    let (offered, elsewhere) = if is_member {
        (&MEMBER[..], &GLOBAL[..])
    } else {
        (&GLOBAL[..], &MEMBER[..])
    };
    if OPERATORS.contains(&name) || offered.contains(&name) {
        Form::Offered
    } else if MACROS.contains(&name) {
        Form::Macro
    } else if elsewhere.contains(&name) {
        Form::Misplaced(if is_member {
            "as in `int(x)`"
        } else {
            "as in `x.contains('y')`"
        })
    } else {
        Form::Unknown
    }
}

/// All names, macros too.
pub(super) fn names() -> Vec<&'static str> {
    [&MACROS[..], &GLOBAL[..], &MEMBER[..]].concat()
}

#[cfg(test)]
mod tests {
    use cel::{Context, Env, Program, Value};

    use super::*;

    /// One use of each function that is offered, and what comes of it.
    const USES: [&str; 25] = [
        "bool('true')",
        "double('1.5') == 1.5",
        "duration('1s') < duration('2s')",
        "dyn(1) == 1",
        "int('1') == 1",
        "size('a') == 1",
        "string(1) == '1'",
        "timestamp('2026-01-01T00:00:00Z') < timestamp('2026-01-02T00:00:00Z')",
        "type(1) == int",
        "uint(1) == 1u",
        "'ab'.contains('b')",
        "'ab'.endsWith('b')",
        "timestamp('2026-01-02T03:04:05.006Z').getDate() == 2",
        "timestamp('2026-01-02T03:04:05.006Z').getDayOfMonth() == 1",
        "timestamp('2026-01-02T03:04:05.006Z').getDayOfWeek() == 5",
        "timestamp('2026-01-02T03:04:05.006Z').getDayOfYear() == 1",
        "timestamp('2026-01-02T03:04:05.006Z').getFullYear() == 2026",
        "timestamp('2026-01-02T03:04:05.006Z').getHours('+01:00') == 4",
        "timestamp('2026-01-02T03:04:05.006Z').getMilliseconds() == 6",
        "timestamp('2026-01-02T03:04:05.006Z').getMinutes() == 4",
        "timestamp('2026-01-02T03:04:05.006Z').getMonth() == 0",
        "timestamp('2026-01-02T03:04:05.006Z').getSeconds() == 5",
        "'ab'.matches('^a')",
        "[1].size() == 1",
        "'ab'.startsWith('a')",
    ];

    #[test]
    fn what_is_offered_is_there() {
        let env = std::sync::Arc::new(Env::stdlib());
        for (name, text) in GLOBAL.iter().chain(&MEMBER).zip(USES) {
            assert!(text.contains(&format!("{name}(")), "{name}: {text}");
            let program: Program = env.compile(text).unwrap();
            let value = program.execute(&Context::with_env(env.clone()));
            assert_eq!(value, Ok(Value::Bool(true)), "{text}");
        }
    }

    #[test]
    fn operators_are_offered_and_what_is_written_otherwise_is_told_apart_from_what_is_not() {
        for operator in ["_==_", "!_", "-_", "@in", "_?_:_", "_[_]"] {
            assert_eq!(form(operator, false), Form::Offered, "{operator}");
        }
        assert_eq!(form("size", true), Form::Offered);
        assert_eq!(form("size", false), Form::Offered);
        assert_eq!(form("all", true), Form::Macro);
        assert!(matches!(form("contains", false), Form::Misplaced(_)));
        for unknown in ["bytes", "optional", "lower", "_evil", ".size", "", "matchs"] {
            assert_eq!(form(unknown, false), Form::Unknown, "{unknown}");
        }
    }
}

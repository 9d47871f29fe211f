//! Operations that a condition uses in place of the interpreter's own.
//!
//! CEL says that values of different types are unequal. For a policy that is a hole: a rule that
//! denies `args.id == 666` lets `"666"` pass. Here such a comparison has no value, and so denies;
//! only `null` may be compared with everything. `+` is bounded, and a regular expression is
//! compiled once, when the policy is.

use std::any::Any;

use cel::{
    DeclarationError, Env, ExecutionError,
    common::{
        types::{CelBool, CelList, CelMap, CelString, DYN_TYPE, Kind, Type},
        value::{CowVal, StaticVal, Val},
    },
};

use super::meter::Meter;

/// `a == b`.
pub(super) const EQUAL: &str = "@equal";
/// `a != b`.
pub(super) const DIFFERENT: &str = "@different";
/// `a in b`.
pub(super) const AMONG: &str = "@among";
/// `a + b`, with the meter as a third operand.
pub(super) const ADD: &str = "@add";
/// `a.matches(b)`, `b` a [`Pattern`].
pub(super) const MATCHES: &str = "@matches";

static TRUE: CelBool = CelBool::TRUE;
static FALSE: CelBool = CelBool::FALSE;
static PATTERN: Type = Type::new_unspecified_type("pattern");

/// A regular expression, as a value of the interpreter.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub(super) regex::Regex);

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

/// The standard functions and ours.
///
/// # Errors
/// If the interpreter has functions of these names already.
pub(super) fn environment() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib().with_optional_support(false);
    let two = || vec![DYN_TYPE, DYN_TYPE];
    env.add_overload(EQUAL, EQUAL, two(), equal)?;
    env.add_overload(DIFFERENT, DIFFERENT, two(), different)?;
    env.add_overload(AMONG, AMONG, two(), among)?;
    env.add_overload(ADD, ADD, vec![DYN_TYPE, DYN_TYPE, DYN_TYPE], add)?;
    env.add_overload(MATCHES, MATCHES, two(), matches)?;
    Ok(env)
}

/// `true` or `false`, without an allocation.
pub(super) fn boolean<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::Borrowed(if value { &TRUE } else { &FALSE })
}

fn equal<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [left, right] = args.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    is_equal("_==_", left.as_ref(), right.as_ref()).map(boolean)
}

fn different<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [left, right] = args.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    is_equal("_!=_", left.as_ref(), right.as_ref()).map(|equal| boolean(!equal))
}

/// What kinds of values may be compared with one another.
fn family(value: &dyn Val) -> Kind {
    match value.get_type().kind() {
        Kind::UInt | Kind::Double => Kind::Int,
        kind => kind,
    }
}

fn is_equal(operator: &str, left: &dyn Val, right: &dyn Val) -> Result<bool, ExecutionError> {
    let (kind, other) = (family(left), family(right));
    if kind == Kind::NullType || other == Kind::NullType {
        return Ok(kind == other);
    }
    if kind != other {
        let types = [left, right].map(|value| value.get_type().name().to_owned());
        return Err(ExecutionError::no_such_overload(operator, types.to_vec()));
    }
    if let (Some(left), Some(right)) = (
        left.downcast_ref::<CelList>(),
        right.downcast_ref::<CelList>(),
    ) {
        if left.inner().len() != right.inner().len() {
            return Ok(false);
        }
        let mut pairs = left.inner().iter().zip(right.inner());
        return all(&mut pairs
            .by_ref()
            .map(|(l, r)| is_equal(operator, l.as_ref(), r.as_ref())));
    }
    if let (Some(left), Some(right)) = (
        left.downcast_ref::<CelMap>(),
        right.downcast_ref::<CelMap>(),
    ) {
        if left.inner().len() != right.inner().len() {
            return Ok(false);
        }
        let mut pairs = left
            .inner()
            .iter()
            .map(|(key, l)| match right.inner().get(key) {
                Some(r) => is_equal(operator, l.as_ref(), r.as_ref()),
                None => Ok(false),
            });
        return all(&mut pairs);
    }
    Ok(left.equals(right))
}

/// Whether all are true; the first that is not, or has no value, decides.
fn all(
    results: &mut dyn Iterator<Item = Result<bool, ExecutionError>>,
) -> Result<bool, ExecutionError> {
    for result in results {
        if !result? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn among<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [value, container] = args.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let (value, container) = (value.as_ref(), container.as_ref());
    let mut failure = None;
    if let Some(list) = container.downcast_ref::<CelList>() {
        for item in list.inner() {
            match is_equal("@in", value, item.as_ref()) {
                Ok(true) => return Ok(boolean(true)),
                Ok(false) => {}
                Err(error) => failure = Some(error),
            }
        }
        return failure.map_or(Ok(boolean(false)), Err);
    }
    let Some(map) = container.downcast_ref::<CelMap>() else {
        let types = [value, container].map(|value| value.get_type().name().to_owned());
        return Err(ExecutionError::no_such_overload("@in", types.to_vec()));
    };
    if let Some(key) = map.inner().keys().next() {
        is_equal("@in", value, key.inner())?;
    }
    match container.as_container() {
        Some(container) => container.contains(value).map(boolean),
        None => Ok(boolean(false)),
    }
}

fn add<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [left, right, meter] = args.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let (left, right) = (left.as_ref(), right.as_ref());
    let has_room = meter
        .downcast_ref::<Meter>()
        .is_some_and(|meter| meter.room(size(left).saturating_add(size(right))));
    if !has_room {
        return Err(ExecutionError::function_error("+", "too large"));
    }
    let unsupported = || {
        let types = [left, right].map(|value| value.get_type().name().to_owned());
        ExecutionError::no_such_overload("_+_", types.to_vec())
    };
    let sum = left.as_adder().ok_or_else(unsupported)?.add(right)?;
    Ok(CowVal::Owned(sum.into_owned()))
}

/// What a part of a sum adds to the memory of the whole; of a number it does not matter.
fn size(value: &dyn Val) -> usize {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return text.inner().len();
    }
    match value.downcast_ref::<CelList>() {
        // A sum holds copies of the items, and of what they hold.
        Some(list) => list.inner().iter().fold(0_usize, |sum, item| {
            sum.saturating_add(32).saturating_add(size(item.as_ref()))
        }),
        None => match value.downcast_ref::<CelMap>() {
            Some(map) => map.inner().values().fold(0_usize, |sum, item| {
                sum.saturating_add(64).saturating_add(size(item.as_ref()))
            }),
            None => 0,
        },
    }
}

fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [value, pattern] = args.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    match (
        value.downcast_ref::<CelString>(),
        pattern.downcast_ref::<Pattern>(),
    ) {
        (Some(text), Some(Pattern(regex))) => Ok(boolean(regex.is_match(text.inner()))),
        _ => {
            let types = args
                .iter()
                .map(|value| value.get_type().name().to_owned())
                .collect();
            Err(ExecutionError::no_such_member_overload("matches", types))
        }
    }
}

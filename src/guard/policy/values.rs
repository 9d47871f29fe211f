//! From JSON to the interpreter's values, typed as the schema says.
//!
//! Texts are borrowed, not copied. JSON has one kind of number and CEL two, which it does not
//! mix in sums: where the schema says `number` a rule sees a fraction even if the call says `1`,
//! and where it says `integer` a whole number even if the call says `1.0`.

use std::collections::HashMap;

use cel::common::{
    types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt},
    value::Val,
};
use serde_json::{Map, Number, Value};

use super::tool::{self, Below, Schema, admits};

/// How deep JSON may be that a rule reads.
const MAX_DEPTH: usize = 64;

/// Up to here whole numbers and fractions turn into one another without a change.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// The JSON is deeper than a rule may read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooDeep;

/// A value of the interpreter.
pub(super) type Cel<'a> = Box<dyn Val + 'a>;

/// `value`, as `schema` describes it.
pub(super) fn from_json<'a>(value: &'a Value, schema: Option<&Schema>) -> Result<Cel<'a>, TooDeep> {
    convert(value, schema, MAX_DEPTH)
}

/// As [`from_json`], for an object.
pub(super) fn from_object<'a>(
    object: &'a Map<String, Value>,
    schema: Option<&Schema>,
) -> Result<CelMap<'a>, TooDeep> {
    convert_object(object, schema, MAX_DEPTH)
}

fn convert<'a>(
    value: &'a Value,
    schema: Option<&Schema>,
    depth: usize,
) -> Result<Cel<'a>, TooDeep> {
    Ok(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => convert_number(number, schema),
        Value::String(value) => text(value),
        Value::Array(items) => {
            let depth = depth.checked_sub(1).ok_or(TooDeep)?;
            let schema = schema.and_then(|schema| known(tool::items(schema)));
            let items = items.iter().map(|item| convert(item, schema, depth));
            Box::new(CelList::from(items.collect::<Result<Vec<_>, _>>()?))
        }
        Value::Object(object) => Box::new(convert_object(object, schema, depth)?),
    })
}

fn convert_object<'a>(
    object: &'a Map<String, Value>,
    schema: Option<&Schema>,
    depth: usize,
) -> Result<CelMap<'a>, TooDeep> {
    let depth = depth.checked_sub(1).ok_or(TooDeep)?;
    let entries = object.iter().map(|(name, value)| {
        let schema = schema.and_then(|schema| known(tool::property(schema, name)));
        Ok((key(name), convert(value, schema, depth)?))
    });
    Ok(CelMap::from(entries.collect::<Result<HashMap<_, _>, _>>()?))
}

fn known(below: Below<'_>) -> Option<&Schema> {
    match below {
        Below::Known(schema) => Some(schema),
        Below::Unknown | Below::Absent => None,
    }
}

fn convert_number<'a>(number: &Number, schema: Option<&Schema>) -> Cel<'a> {
    let is_typed = schema.filter(|schema| schema.contains_key("type"));
    let is = |kind| is_typed.is_some_and(|schema| admits(schema, kind));
    let is_fraction = is("number") && !is("integer");
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), _, _) if is_fraction && whole.unsigned_abs() <= EXACT => {
            Box::new(CelDouble::from(whole as f64))
        }
        (Some(whole), _, _) => Box::new(CelInt::from(whole)),
        (_, Some(whole), _) => Box::new(CelUInt::from(whole)),
        (_, _, Some(fraction))
            if is("integer")
                && !is("number")
                && fraction.fract() == 0.0
                && fraction.abs() <= EXACT as f64 =>
        {
            Box::new(CelInt::from(fraction as i64))
        }
        (_, _, fraction) => Box::new(CelDouble::from(fraction.unwrap_or(f64::NAN))),
    }
}

/// A map of ours.
pub(super) fn fields<'a, const N: usize>(fields: [(&'static str, Cel<'a>); N]) -> CelMap<'a> {
    let entries = fields.into_iter().map(|(name, value)| (key(name), value));
    CelMap::from(entries.collect::<HashMap<_, _>>())
}

pub(super) fn list<'a>(items: impl Iterator<Item = Cel<'a>>) -> Cel<'a> {
    Box::new(CelList::from(items.collect::<Vec<_>>()))
}

pub(super) fn text(value: &str) -> Cel<'_> {
    Box::new(CelString::from(value))
}

/// A count, as a CEL `int`: those of ours are far below its end.
pub(super) fn count<'a>(value: u64) -> Cel<'a> {
    Box::new(CelInt::from(i64::try_from(value).unwrap_or(i64::MAX)))
}

pub(super) fn key(name: &str) -> CelMapKey<'_> {
    CelMapKey::String(CelString::from(name))
}

#[cfg(test)]
mod tests {
    use cel::common::types::Kind;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_of_the_type_that_the_schema_says() {
        for (value, schema, kind) in [
            (json!(1), json!({ "type": "integer" }), Kind::Int),
            (json!(1.0), json!({ "type": "integer" }), Kind::Int),
            (json!(1), json!({ "type": "number" }), Kind::Double),
            (
                json!(1.5),
                json!({ "type": ["number", "null"] }),
                Kind::Double,
            ),
            (json!(1), json!({}), Kind::Int),
            (json!(1.0), json!({}), Kind::Double),
            (
                json!(1),
                json!({ "type": ["integer", "number"] }),
                Kind::Int,
            ),
            (json!(u64::MAX), json!({ "type": "integer" }), Kind::UInt),
            // Not exactly a fraction: it stays what it is.
            (json!(i64::MAX), json!({ "type": "number" }), Kind::Int),
            (json!(1e300), json!({ "type": "integer" }), Kind::Double),
        ] {
            let converted = from_json(&value, schema.as_object()).unwrap();
            assert_eq!(converted.get_type().kind(), kind, "{value} {schema}");
        }
    }

    #[test]
    fn types_reach_the_innermost_value() {
        let schema = json!({ "type": "object", "properties": { "list": {
            "type": "array", "items": { "type": "object", "properties": { "x": { "type": "number" } } },
        } } });
        let value = json!({ "list": [{ "x": 1 }] });
        let converted = from_json(&value, schema.as_object()).unwrap();
        assert!(
            format!("{converted:?}").contains("Double(1.0)"),
            "{converted:?}"
        );
    }

    #[test]
    fn json_deeper_than_a_rule_may_read_is_refused() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(from_json(&nested(MAX_DEPTH), None).is_ok());
        assert_eq!(from_json(&nested(MAX_DEPTH + 1), None).err(), Some(TooDeep));
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }));
        assert!(from_json(&nested(MAX_DEPTH), None).is_ok());
        assert_eq!(from_json(&nested(MAX_DEPTH + 1), None).err(), Some(TooDeep));
    }
}

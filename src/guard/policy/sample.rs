//! A typical value of a schema, to try rules on before the first call.
//!
//! CEL has no types before it runs, so that `1 + 'a'` is found wrong only when it is evaluated:
//! it is evaluated at load, on values that the tool's schema admits.

use serde_json::{Map, Number, Value, json};

use super::tool::{Schema, admits};

/// Deeper than this a sample is null.
const DEPTH: usize = 16;

/// Which properties a sample has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All that the schema names; lists have one item.
    Whole,
    /// Those that are required; lists are empty.
    Least,
}

/// A value that `schema` admits, as far as its plain keywords say.
pub(super) fn sample(schema: &Schema, extent: Extent) -> Value {
    below(schema, extent, DEPTH)
}

fn below(schema: &Schema, extent: Extent, depth: usize) -> Value {
    let first_of = |key: &str| schema.get(key).and_then(|list| list.get(0)).cloned();
    if let Some(value) = first_of("enum").or_else(|| schema.get("const").cloned()) {
        return value;
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    let has_type = schema.contains_key("type");
    let is = |kind| has_type && admits(schema, kind);
    if is("object") || schema.contains_key("properties") {
        object(schema, extent, depth)
    } else if is("array") {
        let item = schema.get("items").and_then(Value::as_object);
        let wanted = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let is_empty = extent == Extent::Least && wanted == 0;
        let item = item.filter(|_| !is_empty);
        item.map_or_else(|| json!([]), |item| json!([below(item, extent, depth)]))
    } else if is("string") {
        Value::String(text(schema))
    } else if is("number") {
        number(schema)
    } else if is("integer") {
        // An integer may be written `2.0`.
        let value = number(schema).as_f64().unwrap_or(1.0).ceil();
        Value::from(value as i64)
    } else if is("boolean") {
        Value::Bool(false)
    } else {
        Value::Null
    }
}

fn object(schema: &Schema, extent: Extent, depth: usize) -> Value {
    let required = schema.get("required").and_then(Value::as_array);
    let is_wanted = |name: &str| {
        extent == Extent::Whole
            || required.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let wanted = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| is_wanted(name));
    let sampled = wanted.map(|(name, schema)| {
        let value = schema
            .as_object()
            .map(|schema| below(schema, extent, depth));
        (name.clone(), value.unwrap_or_default())
    });
    Value::Object(sampled.collect::<Map<_, _>>())
}

fn text(schema: &Schema) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "00:00:00Z",
        Some("email") => "someone@example.com",
        Some("uri") => "https://example.com/",
        _ => "sample",
    };
    let at_least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    // A sample of more than a page would show nothing more.
    let at_least = usize::try_from(at_least).unwrap_or(usize::MAX).min(4096);
    format!("{text:x<at_least$}")
}

fn number(schema: &Schema) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let lowest = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + 1.0));
    let highest = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - 1.0));
    let mut value = 1.0_f64
        .max(lowest.unwrap_or(f64::MIN))
        .min(highest.unwrap_or(f64::MAX));
    if let Some(step) = bound("multipleOf").filter(|step| *step > 0.0) {
        value = (value / step).ceil() * step;
    }
    Number::from_f64(value).map_or(Value::from(1), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(schema: Value) -> Value {
        sample(schema.as_object().unwrap(), Extent::Whole)
    }

    #[test]
    fn a_sample_fits_its_schema() {
        for schema in [
            json!({ "type": "string", "minLength": 20 }),
            json!({ "type": "string", "enum": ["b", "a"] }),
            json!({ "const": 7 }),
            json!({ "type": "integer", "minimum": 3, "maximum": 5 }),
            json!({ "type": "integer", "exclusiveMinimum": 3, "multipleOf": 5 }),
            json!({ "type": "integer", "minimum": 6, "maximum": 10, "multipleOf": 5 }),
            json!({ "type": "integer", "exclusiveMinimum": 1 }),
            json!({ "type": "integer", "exclusiveMaximum": 1 }),
            json!({ "type": "number", "maximum": 0.5 }),
            json!({ "type": "string", "format": "date-time" }),
            json!({ "type": "string", "format": "date" }),
            json!({ "type": "string", "format": "time" }),
            json!({ "type": "string", "format": "email" }),
            json!({ "type": "string", "format": "uri" }),
            json!({ "type": ["boolean", "null"] }),
            json!({ "type": "object", "properties": {
                "a": { "type": "array", "items": { "type": "string", "format": "date-time" } },
                "b": { "type": "null" },
            }, "required": ["a", "b"] }),
        ] {
            let sampled = whole(schema.clone());
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&schema)
                .unwrap();
            assert!(validator.is_valid(&sampled), "{schema}: {sampled}");
        }
    }

    #[test]
    fn the_least_sample_has_what_is_required_and_no_more() {
        let schema = json!({ "type": "object", "required": ["a"], "properties": {
            "a": { "type": "array", "items": { "type": "string" } },
            "b": { "type": "string" },
        } });
        let least = sample(schema.as_object().unwrap(), Extent::Least);
        assert_eq!(least, json!({ "a": [] }));
        assert_eq!(whole(schema), json!({ "a": ["sample"], "b": "sample" }));
    }

    #[test]
    fn a_schema_without_end_has_a_sample_with_one() {
        let mut schema = json!({ "type": "string" });
        for _ in 0..200 {
            schema = json!({ "type": "object", "properties": { "a": schema } });
        }
        whole(schema);
    }
}

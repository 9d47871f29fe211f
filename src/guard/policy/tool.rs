//! What the policy knows of a tool: its name, its marks and its schemas.
//!
//! The schemas say which fields a rule may read and of which type they are. Reading them stays
//! this simple on purpose: where a schema says less than one plain type, its fields count as
//! unknown, and a rule that reads them is checked when it runs.

use serde_json::{Map, Value};

/// A JSON Schema, as far as it is an object.
pub(super) type Schema = Map<String, Value>;

/// A tool, as rules see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolShape {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// It changes nothing.
    pub read_only: bool,
    /// The schema of its arguments.
    pub input_schema: Map<String, Value>,
    /// The schema of its structured answer.
    pub output_schema: Map<String, Value>,
}

/// What a schema says of something below it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Below<'s> {
    /// It has this schema.
    Known(&'s Schema),
    /// It may be there, and be anything.
    Unknown,
    /// It cannot be there.
    Absent,
}

/// Keywords with which a schema says more than one plain type does.
const COMBINING: [&str; 9] = [
    "$ref",
    "$dynamicRef",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "not",
    "patternProperties",
    "dependentSchemas",
];

/// Whether `schema` admits values of `kind`; one without a type admits all.
pub(super) fn admits(schema: &Schema, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => true,
    }
}

/// Whether a value of `schema` has one plain type, and is no object or list.
pub(super) fn is_scalar(schema: &Schema) -> bool {
    schema.contains_key("type")
        && !COMBINING
            .iter()
            .any(|keyword| schema.contains_key(*keyword))
        && !admits(schema, "object")
        && !admits(schema, "array")
}

/// Whether all values of `schema` have one type, null aside.
pub(super) fn is_plain(schema: &Schema) -> bool {
    let has_one_type = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter(|one| *one != "null").count() == 1,
        Some(_) => true,
        None => ["enum", "const", "properties", "items"]
            .iter()
            .any(|keyword| schema.contains_key(*keyword)),
    };
    has_one_type
        && !COMBINING
            .iter()
            .any(|keyword| schema.contains_key(*keyword))
}

/// The property `name` of the objects that `schema` describes.
pub(super) fn property<'s>(schema: &'s Schema, name: &str) -> Below<'s> {
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(found) = properties.and_then(|properties| properties.get(name)) {
        return found
            .as_object()
            .filter(|found| is_plain(found))
            .map_or(Below::Unknown, Below::Known);
    }
    let is_combined = COMBINING
        .iter()
        .any(|keyword| schema.contains_key(*keyword));
    let is_closed = match schema.get("additionalProperties") {
        Some(more) => more == false,
        // The guard closes objects that name their properties.
        None => properties.is_some() || !admits(schema, "object"),
    };
    if is_combined || !is_closed {
        Below::Unknown
    } else {
        Below::Absent
    }
}

/// The items of the lists that `schema` describes.
pub(super) fn items(schema: &Schema) -> Below<'_> {
    match schema.get("items") {
        Some(items) if !schema.contains_key("prefixItems") => items
            .as_object()
            .filter(|items| is_plain(items))
            .map_or(Below::Unknown, Below::Known),
        _ if is_scalar(schema) => Below::Absent,
        _ => Below::Unknown,
    }
}

/// The names of the properties that `schema` knows.
pub(super) fn property_names(schema: &Schema) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(value: Value) -> Schema {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_property_is_known_absent_or_unknown_as_the_schema_says() {
        let closed =
            schema(json!({ "type": "object", "properties": { "a": { "type": "string" } } }));
        assert!(matches!(property(&closed, "a"), Below::Known(_)));
        assert_eq!(property(&closed, "b"), Below::Absent);
        for plain in [json!(["string"]), json!(["string", "null"])] {
            let schema = schema(json!({ "properties": { "a": { "type": plain } } }));
            assert!(
                matches!(property(&schema, "a"), Below::Known(_)),
                "{schema:?}"
            );
        }
        for mixed in [
            json!({}),
            json!(true),
            json!({ "type": ["string", "integer"] }),
            json!({ "type": ["string", "integer", "null"] }),
        ] {
            let schema = schema(json!({ "properties": { "a": mixed } }));
            assert_eq!(property(&schema, "a"), Below::Unknown, "{schema:?}");
        }
        for open in [
            json!({}),
            json!({ "type": "object" }),
            json!({ "type": "object", "properties": {}, "additionalProperties": true }),
            json!({ "properties": {}, "anyOf": [] }),
            json!({ "$ref": "#/$defs/a" }),
        ] {
            assert_eq!(
                property(&schema(open.clone()), "b"),
                Below::Unknown,
                "{open}"
            );
        }
        assert_eq!(
            property(&schema(json!({ "type": "string" })), "b"),
            Below::Absent
        );
        assert_eq!(
            property(
                &schema(json!({ "type": "object", "additionalProperties": false })),
                "b"
            ),
            Below::Absent
        );
    }

    #[test]
    fn items_are_known_only_where_one_schema_holds_for_all() {
        assert!(matches!(
            items(&schema(json!({ "items": { "type": "string" } }))),
            Below::Known(_)
        ));
        assert_eq!(items(&schema(json!({ "items": true }))), Below::Unknown);
        assert_eq!(
            items(&schema(
                json!({ "items": { "type": "string" }, "prefixItems": [] })
            )),
            Below::Unknown
        );
        assert_eq!(items(&schema(json!({ "type": "string" }))), Below::Absent);
        for open in [
            json!({}),
            json!({ "type": "array" }),
            json!({ "type": "object" }),
            json!({ "type": ["string", "array"] }),
            json!({ "type": "string", "anyOf": [] }),
        ] {
            assert_eq!(items(&schema(open.clone())), Below::Unknown, "{open}");
        }
    }
}

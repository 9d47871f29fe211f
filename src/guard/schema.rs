//! From the schema that is advertised to the schema that is enforced.
//!
//! Some vendors refuse `additionalProperties` in a tool's schema, so it is not advertised; an
//! unknown argument is refused all the same. This function is the only difference between the
//! two, so that what a client reads is what it is held to.

use serde_json::{Map, Value};

/// `schema` with every object in it that names properties closed to others. One that names none, not
/// even that there are none, may hold anything.
#[must_use]
pub fn closed(schema: &Map<String, Value>) -> Value {
    let mut schema = Value::Object(schema.clone());
    close(&mut schema);
    schema
}

fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("type").and_then(Value::as_str) == Some("object")
        && object.contains_key("properties")
    {
        object
            .entry("additionalProperties")
            .or_insert(Value::Bool(false));
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(close);
    }
    if let Some(items) = object.get_mut("items") {
        close(items);
    }
}

/// Takes a JSON null for an optional property as the property's absence, as clients mean it.
pub(super) fn drop_optional_nulls(arguments: &mut Map<String, Value>, schema: &Value) {
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)));
    let known = |name: &str| schema["properties"].get(name).is_some();
    arguments.retain(|name, value| !value.is_null() || is_required(name) || !known(name));
    for (name, value) in arguments {
        match value {
            Value::Object(inner) => drop_optional_nulls(inner, &schema["properties"][name]),
            Value::Array(items) => {
                let item_schema = &schema["properties"][name]["items"];
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    drop_optional_nulls(item, item_schema);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_object_is_closed_and_nothing_else_changes() {
        let advertised = json!({
            "type": "object",
            "properties": {
                "a": { "type": "object", "properties": {} },
                "b": { "type": "array", "items": { "type": "object", "properties": {} } },
                "c": { "type": "object" },
            },
        });
        let enforced = closed(advertised.as_object().unwrap());
        let expected = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "a": { "type": "object", "properties": {}, "additionalProperties": false },
                "b": { "type": "array", "items": {
                    "type": "object", "properties": {}, "additionalProperties": false,
                } },
                "c": { "type": "object" },
            },
        });
        assert_eq!(enforced, expected);
    }

    #[test]
    fn null_for_an_optional_property_is_its_absence_at_any_depth() {
        let schema = json!({
            "properties": {
                "needed": {}, "free": {},
                "list": { "items": { "properties": { "x": {} } } },
            },
            "required": ["needed"],
        });
        let mut arguments = json!({
            "needed": null, "free": null, "unknown": null, "list": [{ "x": null }],
        });
        drop_optional_nulls(arguments.as_object_mut().unwrap(), &schema);
        assert_eq!(
            arguments,
            json!({ "needed": null, "unknown": null, "list": [{}] })
        );
    }
}

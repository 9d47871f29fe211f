//! What rules that change answers mean for the schema that promises them.
//!
//! A client may check an answer against the schema it was told, and refuse one in which a required
//! field is missing. So the schema that is advertised, and enforced, promises nothing that a rule
//! may take away. Where it cannot be told exactly, too little is promised rather than too much.

use serde_json::{Map, Value};

use crate::guard::fields::FieldPattern;

/// What is still said of a field that is emptied, besides its type.
const KEPT_OF_EMPTIED: [&str; 4] = ["type", "title", "description", "sensitive"];

/// Keywords with schemas of what lies one unnamed step below.
const BELOW: [&str; 4] = [
    "items",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
];

/// Keywords that promise something of the number or the likeness of what lies below.
const PROMISES_OF_ALL: [&str; 7] = [
    "minProperties",
    "dependentRequired",
    "minItems",
    "contains",
    "minContains",
    "uniqueItems",
    "prefixItems",
];

/// Keywords that may come to admit less when what is below admits more.
const CONTRARY: [&str; 5] = ["not", "if", "then", "else", "dependentSchemas"];

/// Takes out of `schema` what does not hold of answers from which the fields `removed` are taken,
/// and in which the fields `emptied` have no content.
pub(super) fn loosen(schema: &mut Value, removed: &[&FieldPattern], emptied: &[&FieldPattern]) {
    if removed.is_empty() && emptied.is_empty() {
        return;
    }
    let loosening = Loosening {
        removed,
        emptied,
        is_anywhere: refers(schema),
    };
    loosening.visit(schema, &mut Vec::new());
}

/// Whether a part of `schema` may stand at several places of an answer.
fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(object) => {
            object.contains_key("$ref")
                || object.contains_key("$dynamicRef")
                || object.values().any(refers)
        }
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

struct Loosening<'p> {
    removed: &'p [&'p FieldPattern],
    emptied: &'p [&'p FieldPattern],
    /// Where a part stands does not tell which paths it has: only names are compared.
    is_anywhere: bool,
}

impl Loosening<'_> {
    /// Loosens `schema` of what is at `path`.
    fn visit(&self, schema: &mut Value, path: &mut Vec<Option<String>>) {
        let Some(schema) = schema.as_object_mut() else {
            return;
        };
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| !self.is_meant(self.removed, path, name.as_str()));
        }
        let is_touched =
            self.is_meant(self.removed, path, None) || self.is_meant(self.emptied, path, None);
        if is_touched {
            schema.retain(|keyword, _| !PROMISES_OF_ALL.contains(&keyword.as_str()));
        }
        schema.retain(|keyword, _| !CONTRARY.contains(&keyword.as_str()));
        // What fitted one of them may now fit several.
        if let Some(one) = schema.remove("oneOf") {
            schema.entry("anyOf").or_insert(one);
        }
        self.visit_named(schema, "properties", path);
        for keyword in BELOW {
            if let Some(below) = schema.get_mut(keyword) {
                self.visit_below(below, None, path);
            }
        }
        if let Some(patterned) = schema
            .get_mut("patternProperties")
            .and_then(Value::as_object_mut)
        {
            patterned
                .values_mut()
                .for_each(|below| self.visit_below(below, None, path));
        }
        if let Some(items) = schema.get_mut("prefixItems").and_then(Value::as_array_mut) {
            items
                .iter_mut()
                .for_each(|below| self.visit_below(below, None, path));
        }
        for keyword in ["allOf", "anyOf"] {
            if let Some(same) = schema.get_mut(keyword).and_then(Value::as_array_mut) {
                same.iter_mut().for_each(|same| self.visit(same, path));
            }
        }
        for keyword in ["$defs", "definitions"] {
            if let Some(parts) = schema.get_mut(keyword).and_then(Value::as_object_mut) {
                parts.values_mut().for_each(|part| self.visit(part, path));
            }
        }
    }

    fn visit_named(
        &self,
        schema: &mut Map<String, Value>,
        keyword: &str,
        path: &mut Vec<Option<String>>,
    ) {
        if let Some(properties) = schema.get_mut(keyword).and_then(Value::as_object_mut) {
            for (name, below) in properties {
                self.visit_below(below, Some(name), path);
            }
        }
    }

    fn visit_below(&self, below: &mut Value, step: Option<&str>, path: &mut Vec<Option<String>>) {
        if self.is_meant(self.emptied, path, step) {
            if let Some(below) = below.as_object_mut() {
                below.retain(|keyword, _| KEPT_OF_EMPTIED.contains(&keyword.as_str()));
            }
            return;
        }
        path.push(step.map(str::to_owned));
        self.visit(below, path);
        path.pop();
    }

    /// Whether what is called `step` (`None`: anything) at `path` may be one of `patterns`.
    fn is_meant(
        &self,
        patterns: &[&FieldPattern],
        path: &[Option<String>],
        step: Option<&str>,
    ) -> bool {
        if self.is_anywhere {
            return patterns.iter().any(|pattern| pattern.may_end_in(step));
        }
        let path: Vec<Option<&str>> = path
            .iter()
            .map(|step| step.as_deref())
            .chain([step])
            .collect();
        patterns.iter().any(|pattern| pattern.may_mean(&path))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn loosened(mut schema: Value, removed: &[&str], emptied: &[&str]) -> Value {
        let parse = |texts: &[&str]| -> Vec<FieldPattern> {
            texts
                .iter()
                .map(|text| FieldPattern::parse(text).unwrap())
                .collect()
        };
        let (removed, emptied) = (parse(removed), parse(emptied));
        loosen(
            &mut schema,
            &removed.iter().collect::<Vec<_>>(),
            &emptied.iter().collect::<Vec<_>>(),
        );
        schema
    }

    fn models() -> Value {
        json!({ "type": "object", "required": ["models", "count"], "properties": {
            "count": { "type": "integer", "minimum": 1 },
            "models": { "type": "array", "minItems": 1, "items": {
                "type": "object", "required": ["name", "key"],
                "properties": {
                    "name": { "type": "string", "minLength": 1 },
                    "key": { "type": "string", "enum": ["bound", "none"] },
                },
            } },
        } })
    }

    #[test]
    fn a_field_that_may_be_taken_out_is_no_longer_required() {
        let schema = loosened(models(), &["/models/*/key"], &[]);
        assert_eq!(
            schema["properties"]["models"]["items"]["required"],
            json!(["name"])
        );
        assert_eq!(schema["required"], json!(["models", "count"]));
        assert_eq!(schema["properties"]["models"]["minItems"], 1);
        let schema = loosened(models(), &["/**/count"], &[]);
        assert_eq!(schema["required"], json!(["models"]));
        let schema = loosened(models(), &["/models/0"], &[]);
        assert_eq!(schema["properties"]["models"].get("minItems"), None);
    }

    #[test]
    fn a_field_that_may_be_emptied_keeps_its_type_alone() {
        let schema = loosened(models(), &[], &["/models/*/key", "/count"]);
        assert_eq!(schema["properties"]["count"], json!({ "type": "integer" }));
        let item = &schema["properties"]["models"]["items"];
        assert_eq!(item["properties"]["key"], json!({ "type": "string" }));
        assert_eq!(item["properties"]["name"]["minLength"], 1);
        assert_eq!(item["required"], json!(["name", "key"]));
    }

    #[test]
    fn a_schema_that_no_rule_touches_is_as_it_was() {
        assert_eq!(loosened(models(), &[], &[]), models());
    }

    #[test]
    fn a_part_that_is_referred_to_is_loosened_wherever_it_stands() {
        let schema = json!({
            "properties": { "a": { "$ref": "#/$defs/node" } },
            "$defs": { "node": { "required": ["secret", "next"], "properties": {
                "secret": { "type": "string" }, "next": { "$ref": "#/$defs/node" },
            } } },
        });
        let schema = loosened(schema, &["/a/**/secret"], &[]);
        assert_eq!(schema["$defs"]["node"]["required"], json!(["next"]));
    }

    #[test]
    fn answers_that_fitted_before_a_rule_fit_after_it() {
        for (schema, answer, removed) in [
            (
                json!({ "oneOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
                json!({ "a": 1 }),
                "/a",
            ),
            (
                json!({ "if": { "required": ["a"] }, "else": false }),
                json!({ "a": 1 }),
                "/a",
            ),
            (json!({ "minProperties": 1 }), json!({ "a": 1 }), "/a"),
            (
                json!({ "allOf": [{ "required": ["a"], "properties": { "a": {} } }] }),
                json!({ "a": 1 }),
                "/**/a",
            ),
        ] {
            assert!(jsonschema::is_valid(&schema, &answer));
            let loosened = loosened(schema.clone(), &[removed], &[]);
            let mut after = answer.clone();
            FieldPattern::parse(removed).unwrap().remove(&mut after);
            assert!(
                jsonschema::is_valid(&loosened, &after),
                "{loosened} {after}"
            );
        }
    }
}

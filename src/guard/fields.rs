//! Fields of a JSON document by pattern: which ones a rule or a schema means, at any depth.
//!
//! Policy hides fields and redaction masks them; both mean a field by the same words, so what a
//! word selects is said here alone. It decides nothing about what becomes of a field.

use serde_json::Value;

/// The longest pattern, in steps.
const MAX_STEPS: usize = 32;

/// A JSON pointer (RFC 6901) in which a step may be `*` (any one step) or `**` (any number of
/// steps, none included). Steps into a list are its indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPattern(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Named(String),
    Any,
    Deep,
}

/// The text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a field is written as a JSON pointer, such as `/models/*/provider` or `/**/email`: it begins \
     with `/`, `*` is any one step, `**` any number of them"
)]
pub struct InvalidPattern;

impl FieldPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`InvalidPattern`].
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let rest = text.strip_prefix('/').ok_or(InvalidPattern)?;
        let steps: Vec<Step> = rest
            .split('/')
            .map(step)
            .collect::<Option<_>>()
            .ok_or(InvalidPattern)?;
        if steps.len() > MAX_STEPS || !matches!(steps.last(), Some(Step::Named(_) | Step::Any)) {
            return Err(InvalidPattern);
        }
        Ok(Self(steps))
    }

    /// Calls `visit` with every field of `document` that is meant.
    pub fn visit(&self, document: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
        walk(&self.0, document, &mut |parent, step| {
            each(parent, step, visit);
        });
    }

    /// Takes every field that is meant out of `document`; says how many.
    pub fn remove(&self, document: &mut Value) -> usize {
        let mut removed = 0;
        walk(&self.0, document, &mut |parent, step| {
            removed += take(parent, step);
        });
        removed
    }

    /// Whether `pointer`, in its steps, is meant.
    #[must_use]
    pub fn matches(&self, pointer: &[&str]) -> bool {
        fits(&self.0, pointer, &|named, step| named == *step)
    }

    /// Whether a field at `path` may be meant, of which some steps (`None`) may have any name.
    #[must_use]
    pub fn may_mean(&self, path: &[Option<&str>]) -> bool {
        fits(&self.0, path, &|named, step| {
            step.is_none_or(|step| named == step)
        })
    }

    /// Whether a field called `name` (`None`: whatever it is called) may be meant somewhere.
    #[must_use]
    pub fn may_end_in(&self, name: Option<&str>) -> bool {
        match self.0.last() {
            Some(Step::Named(last)) => name.is_none_or(|name| name == last),
            last => last.is_some(),
        }
    }
}

fn step(text: &str) -> Option<Step> {
    match text {
        "*" => Some(Step::Any),
        "**" => Some(Step::Deep),
        // RFC 6901, section 4: `~1` first, then `~0`.
        text if is_escaped(text) => Some(Step::Named(text.replace("~1", "/").replace("~0", "~"))),
        _ => None,
    }
}

fn is_escaped(text: &str) -> bool {
    text.split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']))
}

fn fits<S>(steps: &[Step], path: &[S], is_named: &dyn Fn(&str, &S) -> bool) -> bool {
    match steps.split_first() {
        None => path.is_empty(),
        Some((Step::Deep, rest)) => {
            fits(rest, path, is_named)
                || path
                    .split_first()
                    .is_some_and(|(_, below)| fits(steps, below, is_named))
        }
        Some((step, rest)) => path.split_first().is_some_and(|(first, below)| {
            let is_meant = match step {
                Step::Named(name) => is_named(name, first),
                Step::Any | Step::Deep => true,
            };
            is_meant && fits(rest, below, is_named)
        }),
    }
}

/// Finds every parent of what `steps` mean, and calls `at` with it and the last step.
fn walk(steps: &[Step], value: &mut Value, at: &mut dyn FnMut(&mut Value, &Step)) {
    match steps {
        [] => {}
        [Step::Deep, rest @ ..] => {
            // What is found below first is not walked again after it was taken out above.
            each(value, &Step::Any, &mut |below| walk(steps, below, at));
            walk(rest, value, at);
        }
        [last] => at(value, last),
        [step, rest @ ..] => each(value, step, &mut |below| walk(rest, below, at)),
    }
}

fn each(parent: &mut Value, step: &Step, visit: &mut dyn FnMut(&mut Value)) {
    match (parent, step) {
        (Value::Object(map), Step::Named(name)) => {
            if let Some(value) = map.get_mut(name) {
                visit(value);
            }
        }
        (Value::Array(items), Step::Named(name)) => {
            let index = name.parse::<usize>().ok();
            if let Some(value) = index.and_then(|index| items.get_mut(index)) {
                visit(value);
            }
        }
        (Value::Object(map), _) => map.values_mut().for_each(visit),
        (Value::Array(items), _) => items.iter_mut().for_each(visit),
        _ => {}
    }
}

fn take(parent: &mut Value, step: &Step) -> usize {
    match (parent, step) {
        (Value::Object(map), Step::Named(name)) => usize::from(map.remove(name).is_some()),
        (Value::Array(items), Step::Named(name)) => match name.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                1
            }
            _ => 0,
        },
        (Value::Object(map), _) => {
            let count = map.len();
            map.clear();
            count
        }
        (Value::Array(items), _) => {
            let count = items.len();
            items.clear();
            count
        }
        _ => 0,
    }
}

/// The fields that a schema marks with `"sensitive": true`, wherever in it: below combining keywords
/// and local references too, and at every depth of a schema that refers to itself.
#[must_use]
pub fn sensitive(schema: &Value) -> Vec<FieldPattern> {
    let mut marks = Marks {
        root: schema,
        path: Vec::new(),
        references: Vec::new(),
        found: Vec::new(),
    };
    marks.collect(schema);
    marks.found
}

/// The walk of [`sensitive`].
struct Marks<'s> {
    root: &'s Value,
    path: Vec<Step>,
    /// References that are being followed, and whether one was met again on the way.
    references: Vec<(&'s str, bool)>,
    found: Vec<FieldPattern>,
}

impl<'s> Marks<'s> {
    fn collect(&mut self, schema: &'s Value) {
        if schema["sensitive"] == true && !self.path.is_empty() {
            self.found.push(FieldPattern(self.path.clone()));
            return;
        }
        for (name, below) in schema["properties"].as_object().into_iter().flatten() {
            self.collect_below(Step::Named(name.clone()), below);
        }
        let patterned = schema["patternProperties"]
            .as_object()
            .into_iter()
            .flatten();
        let items = schema["prefixItems"].as_array().into_iter().flatten();
        let more = [
            "items",
            "contains",
            "additionalProperties",
            "unevaluatedProperties",
        ]
        .map(|key| &schema[key])
        .into_iter();
        for below in patterned.map(|(_, below)| below).chain(items).chain(more) {
            self.collect_below(Step::Any, below);
        }
        let combined = ["allOf", "anyOf", "oneOf"].map(|key| &schema[key]);
        let combined = combined.into_iter().filter_map(Value::as_array).flatten();
        let conditional = ["then", "else"].map(|key| &schema[key]);
        for same in combined.chain(conditional).filter(|same| same.is_object()) {
            self.collect(same);
        }
        if let Some(reference) = schema["$ref"].as_str() {
            self.follow(reference);
        }
    }

    fn collect_below(&mut self, step: Step, below: &'s Value) {
        if below.is_object() {
            self.path.push(step);
            self.collect(below);
            self.path.pop();
        }
    }

    fn follow(&mut self, reference: &'s str) {
        if let Some((_, is_met_again)) = self
            .references
            .iter_mut()
            .find(|(known, _)| *known == reference)
        {
            *is_met_again = true;
            return;
        }
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer));
        let Some(target) = target else {
            return;
        };
        let before = self.found.len();
        self.references.push((reference, false));
        self.collect(target);
        if let Some((_, true)) = self.references.pop() {
            // What stands here stands again somewhere below, at whatever depth.
            for pattern in self.found.iter_mut().skip(before) {
                pattern.0.insert(self.path.len(), Step::Deep);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pattern(text: &str) -> FieldPattern {
        FieldPattern::parse(text).unwrap()
    }

    fn removed(text: &str, mut document: Value) -> Value {
        pattern(text).remove(&mut document);
        document
    }

    #[test]
    fn a_field_is_meant_by_name_by_one_step_and_at_any_depth() {
        let document = json!({
            "email": 1, "list": [{ "email": 2, "name": 3 }], "deep": { "list": [{ "email": 4 }] },
        });
        let without = |text| removed(text, document.clone());
        assert_eq!(
            without("/email"),
            json!({ "list": [{ "email": 2, "name": 3 }], "deep": { "list": [{ "email": 4 }] } })
        );
        assert_eq!(
            without("/list/*/email"),
            json!({ "email": 1, "list": [{ "name": 3 }], "deep": { "list": [{ "email": 4 }] } })
        );
        assert_eq!(
            without("/**/email"),
            json!({ "list": [{ "name": 3 }], "deep": { "list": [{}] } })
        );
        assert_eq!(without("/list/0/name")["list"], json!([{ "email": 2 }]));
        assert_eq!(without("/list/1"), document);
        assert_eq!(without("/*"), json!({}));
        assert_eq!(without("/email/x"), document);
    }

    #[test]
    fn visiting_reaches_what_removing_would_take() {
        for text in ["/a", "/*", "/**/a", "/b/**/a", "/b/*/a", "/b/0"] {
            let mut document = json!({ "a": 0, "b": [{ "a": 0, "c": { "a": 0 } }, 0] });
            pattern(text).visit(&mut document, &mut |field| *field = json!("seen"));
            let seen = document.to_string().contains("seen");
            assert!(seen, "{text}");
            let before = document.clone();
            let taken = pattern(text).remove(&mut document);
            assert!(
                taken > 0 && !document.to_string().contains("seen"),
                "{text} {before}"
            );
        }
    }

    #[test]
    fn names_are_escaped_as_in_a_pointer_and_what_is_no_pointer_is_refused() {
        assert_eq!(
            removed("/a~1b", json!({ "a/b": 1, "c": 2 })),
            json!({ "c": 2 })
        );
        assert_eq!(removed("/a~0b", json!({ "a~b": 1 })), json!({}));
        for wrong in ["", "a", "a/b", "/a/**", "/**", "/a~2", "/a~"] {
            assert!(FieldPattern::parse(wrong).is_err(), "{wrong}");
        }
        assert!(FieldPattern::parse(&"/a".repeat(33)).is_err());
    }

    #[test]
    fn a_pointer_matches_as_the_document_is_walked() {
        assert!(pattern("/**/email").matches(&["a", "0", "email"]));
        assert!(pattern("/**/email").matches(&["email"]));
        assert!(pattern("/a/*").matches(&["a", "b"]));
        assert!(!pattern("/a/*").matches(&["a"]));
        assert!(!pattern("/a/*").matches(&["a", "b", "c"]));
        assert!(!pattern("/**/email").matches(&["email", "x"]));
    }

    #[test]
    fn a_path_with_unknown_steps_may_mean_what_any_name_there_would() {
        assert!(pattern("/list/3/x").may_mean(&[Some("list"), None, Some("x")]));
        assert!(pattern("/**/x").may_mean(&[None, None]));
        assert!(!pattern("/list/*/x").may_mean(&[Some("list"), None, Some("y")]));
        assert!(!pattern("/list").may_mean(&[None, None]));
        assert!(pattern("/a/x").may_end_in(Some("x")) && pattern("/a/x").may_end_in(None));
        assert!(pattern("/a/*").may_end_in(Some("y")));
        assert!(!pattern("/a/x").may_end_in(Some("a")));
    }

    #[test]
    fn marks_are_found_below_combining_keywords_and_references() {
        let mark = json!({ "properties": { "ssn": { "sensitive": true } } });
        for key in ["allOf", "anyOf", "oneOf"] {
            assert_eq!(
                sensitive(&json!({ key: [{}, mark] })),
                [pattern("/ssn")],
                "{key}"
            );
        }
        assert_eq!(sensitive(&json!({ "then": mark })), [pattern("/ssn")]);
        assert_eq!(
            sensitive(&json!({ "prefixItems": [mark] })),
            [pattern("/*/ssn")]
        );
        assert_eq!(
            sensitive(&json!({ "patternProperties": { "a": mark } })),
            [pattern("/*/ssn")]
        );
        let referring = json!({
            "properties": { "a": { "$ref": "#/$defs/person" } }, "$defs": { "person": mark },
        });
        assert_eq!(sensitive(&referring), [pattern("/a/ssn")]);
        assert_eq!(
            sensitive(&json!({ "$ref": "https://elsewhere.example" })),
            []
        );
    }

    #[test]
    fn marks_of_a_schema_that_refers_to_itself_are_found_at_every_depth() {
        let schema = json!({ "$ref": "#/$defs/node", "$defs": { "node": { "properties": {
            "secret": { "sensitive": true },
            "children": { "items": { "$ref": "#/$defs/node" } },
        } } } });
        let mut tree = json!({ "secret": 1, "children": [
            { "secret": 2, "children": [{ "secret": 3, "children": [] }] },
        ] });
        for found in sensitive(&schema) {
            found.remove(&mut tree);
        }
        assert_eq!(
            tree,
            json!({ "children": [{ "children": [{ "children": [] }] }] })
        );
        let circle = json!({ "$ref": "#" });
        assert_eq!(sensitive(&circle), []);
    }

    #[test]
    fn what_a_schema_marks_is_found_at_any_depth() {
        let schema = json!({
            "type": "object",
            "properties": {
                "ssn": { "type": "string", "sensitive": true },
                "people": { "type": "array", "items": { "type": "object", "properties": {
                    "pay": { "type": "number", "sensitive": true }, "name": { "type": "string" },
                } } },
            },
        });
        assert_eq!(
            sensitive(&schema),
            [pattern("/people/*/pay"), pattern("/ssn")]
        );
        assert_eq!(
            sensitive(&json!({ "properties": { "a": { "sensitive": false } } })),
            []
        );
    }
}

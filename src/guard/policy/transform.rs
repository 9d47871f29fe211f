//! What rules do to fields of an answer.
//!
//! Apart from the rules, since it is the same whoever asked for it. It never looks at what a field
//! holds: that was the conditions' part.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::guard::fields::FieldPattern;

/// What stands in place of a masked text.
const MASK: &str = "***";

/// What becomes of which fields of an answer.
#[derive(Debug)]
pub(super) enum Fields {
    /// They are emptied, and keep their type.
    Mask(Vec<FieldPattern>),
    /// They are taken out.
    Filter(Vec<FieldPattern>),
    /// Those that the tool's schema marks as sensitive are taken out.
    FilterSensitive,
}

impl Fields {
    /// The action's word.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Mask(_) => "mask_fields",
            Self::Filter(_) => "filter_fields",
            Self::FilterSensitive => "filter_sensitive_fields",
        }
    }

    /// The fields that it may take out, and those that it may empty.
    pub(super) fn touched<'f>(
        &'f self,
        sensitive: &'f [FieldPattern],
    ) -> (&'f [FieldPattern], &'f [FieldPattern]) {
        match self {
            Self::Mask(patterns) => (&[], patterns),
            Self::Filter(patterns) => (patterns, &[]),
            Self::FilterSensitive => (sensitive, &[]),
        }
    }
}

/// Changes `answer` as all of `changes` say, of a tool whose schema marks `sensitive` fields.
///
/// The order of the changes does not matter: fields are emptied first; those to be taken out are
/// then marked, and taken out at once, so that none hides another or moves it to another index.
pub(super) fn apply(changes: &[&Fields], answer: &mut Value, sensitive: &[FieldPattern]) {
    let touched = || changes.iter().map(|change| change.touched(sensitive));
    for pattern in touched().flat_map(|(_, emptied)| emptied) {
        pattern.visit(answer, &mut mask);
    }
    // No answer holds a name that is made now.
    let mark = Value::from(Uuid::new_v4().to_string());
    let mut has_marked = false;
    for pattern in touched().flat_map(|(removed, _)| removed) {
        pattern.visit(answer, &mut |field| {
            field.clone_from(&mark);
            has_marked = true;
        });
    }
    if has_marked {
        sweep(answer, &mark);
    }
}

/// Takes out what is `mark`.
fn sweep(value: &mut Value, mark: &Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| item != mark);
            items.iter_mut().for_each(|item| sweep(item, mark));
        }
        Value::Object(fields) => {
            fields.retain(|_, field| field != mark);
            fields.values_mut().for_each(|field| sweep(field, mark));
        }
        _ => {}
    }
}

/// Empties `value`, which keeps its JSON type.
fn mask(value: &mut Value) {
    *value = match value {
        Value::Null => Value::Null,
        Value::Bool(_) => Value::Bool(false),
        Value::Number(_) => Value::from(0),
        Value::String(_) => Value::from(MASK),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patterns(texts: &[&str]) -> Vec<FieldPattern> {
        texts
            .iter()
            .map(|text| FieldPattern::parse(text).unwrap())
            .collect()
    }

    #[test]
    fn a_masked_field_keeps_its_type_and_nothing_else() {
        let mut answer = json!({
            "s": "secret", "i": 7, "f": 1.5, "b": true, "l": [1], "o": { "x": 1 }, "n": null, "k": 1,
        });
        let all = patterns(&["/s", "/i", "/f", "/b", "/l", "/o", "/n"]);
        apply(&[&Fields::Mask(all)], &mut answer, &[]);
        assert_eq!(
            answer,
            json!({ "s": "***", "i": 0, "f": 0, "b": false, "l": [], "o": {}, "n": null, "k": 1 })
        );
    }

    #[test]
    fn fields_are_taken_out_as_if_at_once() {
        let mut answer = json!({ "list": ["a", "b", "c"], "deep": [{ "x": { "x": 1 }, "y": 2 }] });
        let first = Fields::Filter(patterns(&["/list/0", "/list/1"]));
        let second = Fields::Filter(patterns(&["/**/x"]));
        apply(&[&first, &second], &mut answer, &[]);
        assert_eq!(answer, json!({ "list": ["c"], "deep": [{ "y": 2 }] }));
    }

    #[test]
    fn what_is_masked_and_taken_out_is_gone_whichever_rule_comes_first() {
        let (mask, filter) = (
            Fields::Mask(patterns(&["/a"])),
            Fields::Filter(patterns(&["/a"])),
        );
        for order in [[&mask, &filter], [&filter, &mask]] {
            let mut answer = json!({ "a": 1 });
            apply(&order, &mut answer, &[]);
            assert_eq!(answer, json!({}));
        }
    }

    #[test]
    fn sensitive_fields_are_those_of_the_schema() {
        let mut answer = json!({ "ssn": "1", "name": "n" });
        apply(
            &[&Fields::FilterSensitive],
            &mut answer,
            &patterns(&["/ssn"]),
        );
        assert_eq!(answer, json!({ "name": "n" }));
    }
}

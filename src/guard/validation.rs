//! Validation: a call's arguments and its answer against its tool's schemas.
//!
//! Schemas are compiled once, by JSON Schema 2020-12 and without fetching anything they refer to.
//! How deep and how large arguments are is bounded before a schema sees them, and patterns are
//! matched in linear time, so that validation has no bad cases. Errors name the place by JSON pointer and say what was expected;
//! they never repeat a value, because the value may be what must not be repeated.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use jsonschema::{
    PatternOptions,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::{Map, Value};

use super::schema;
use crate::tools::{Tool, ToolDefinition};

/// At most so many problems are told one by one.
const MAX_PROBLEMS: usize = 50;
/// How deep arguments may be nested.
const MAX_DEPTH: usize = 32;
/// How many values, keys included, arguments may have.
const MAX_VALUES: usize = 100_000;
/// A client's own argument names are repeated up to this length, in characters.
const MAX_NAME_CHARS: usize = 64;

/// A call whose tool exists and whose arguments fit its schema. Only [`Validator`] makes one.
pub struct Validated {
    tool: Arc<dyn Tool>,
    arguments: Map<String, Value>,
}

impl Validated {
    /// The tool's name.
    #[must_use]
    pub fn tool_name(&self) -> &str {
        &self.tool.definition().name
    }

    /// The tool.
    #[must_use]
    pub fn tool(&self) -> &Arc<dyn Tool> {
        &self.tool
    }

    /// The arguments, typed as the schema says.
    #[must_use]
    pub fn arguments(&self) -> &Map<String, Value> {
        &self.arguments
    }

    pub(super) fn into_parts(self) -> (Arc<dyn Tool>, Map<String, Value>) {
        (self.tool, self.arguments)
    }
}

/// The tools with their schemas, compiled.
pub struct Validator {
    tools: HashMap<String, Entry>,
}

struct Entry {
    tool: Arc<dyn Tool>,
    input_schema: Value,
    input: jsonschema::Validator,
    output: jsonschema::Validator,
}

/// Why a call did not pass.
#[derive(Debug, PartialEq, Eq)]
pub enum InvalidArguments {
    /// There is no such tool.
    UnknownTool,
    /// The arguments do not fit.
    Schema {
        /// Each place, and what was expected there.
        problems: String,
        /// The arguments as they came.
        arguments: Map<String, Value>,
    },
}

impl Validator {
    /// Compiles the schemas of all tools, as their definitions advertise them.
    ///
    /// # Errors
    /// The name of a tool whose schema is broken: a fault of the build.
    pub fn new<'a>(
        tools: impl IntoIterator<Item = (&'a Arc<dyn Tool>, &'a ToolDefinition)>,
    ) -> Result<Self, String> {
        let compile = |(tool, definition): (&Arc<dyn Tool>, &ToolDefinition)| {
            let input_schema = schema::closed(&definition.input_schema);
            let output_schema = schema::closed(&definition.output_schema);
            let new = |schema: &Value| {
                jsonschema::draft202012::options()
                    .with_pattern_options(PatternOptions::regex())
                    .build(schema)
            };
            let (Ok(input), Ok(output)) = (new(&input_schema), new(&output_schema)) else {
                return Err(definition.name.clone());
            };
            let tool = Arc::clone(tool);
            Ok((
                definition.name.clone(),
                Entry {
                    tool,
                    input_schema,
                    input,
                    output,
                },
            ))
        };
        Ok(Self {
            tools: tools.into_iter().map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// Checks a call.
    ///
    /// # Errors
    /// See [`InvalidArguments`].
    pub fn validate(
        &self,
        tool: &str,
        mut arguments: Map<String, Value>,
    ) -> Result<Validated, InvalidArguments> {
        let entry = self.tools.get(tool).ok_or(InvalidArguments::UnknownTool)?;
        let unbounded = if !arguments.values().all(|value| is_shallow(value, MAX_DEPTH)) {
            Some(format!("arguments are nested at most {MAX_DEPTH} deep"))
        } else if arguments.values().map(values).sum::<usize>() > MAX_VALUES {
            Some(format!("arguments hold at most {MAX_VALUES} values"))
        } else {
            None
        };
        if let Some(problems) = unbounded {
            return Err(InvalidArguments::Schema {
                problems,
                arguments,
            });
        }
        schema::drop_optional_nulls(&mut arguments, &entry.input_schema);
        let arguments = Value::Object(arguments);
        let mut errors = entry.input.iter_errors(&arguments);
        let mut problems: Vec<String> = errors
            .by_ref()
            .take(MAX_PROBLEMS)
            .map(|e| told(&e))
            .collect();
        if errors.next().is_some() {
            problems.push(format!("and more; these are the first {MAX_PROBLEMS}"));
        }
        drop(errors);
        match (arguments, problems.as_slice()) {
            (Value::Object(arguments), []) => Ok(Validated {
                tool: Arc::clone(&entry.tool),
                arguments,
            }),
            (arguments, _) => Err(InvalidArguments::Schema {
                problems: problems.join("; "),
                arguments: match arguments {
                    Value::Object(arguments) => arguments,
                    _ => Map::new(),
                },
            }),
        }
    }

    /// Whether a tool's structured answer keeps its promise.
    #[must_use]
    pub fn output_fits(&self, tool: &str, structured: &Value) -> bool {
        self.tools
            .get(tool)
            .is_some_and(|entry| entry.output.is_valid(structured))
    }
}

/// Whether maps and lists in `value` are nested at most `depth` deep. `serde_json` reads nothing
/// deeper than 128, so this recursion is bounded.
fn is_shallow(value: &Value, depth: usize) -> bool {
    let Some(below) = depth.checked_sub(1) else {
        return !value.is_object() && !value.is_array();
    };
    match value {
        Value::Array(items) => items.iter().all(|item| is_shallow(item, below)),
        Value::Object(map) => map.values().all(|value| is_shallow(value, below)),
        _ => true,
    }
}

/// How many values `value` holds, itself and keys included.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(|value| 1 + values(value)).sum::<usize>(),
        _ => 1,
    }
}

/// One problem in our own words: the pointer and what was expected.
fn told(error: &jsonschema::ValidationError<'_>) -> String {
    let pointer = shortened(error.instance_path().as_str());
    let place = if pointer.is_empty() {
        "arguments".to_owned()
    } else {
        format!("`{pointer}`")
    };
    let expected = match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let mut names = String::new();
            for name in unexpected.iter().take(MAX_PROBLEMS) {
                let separator = if names.is_empty() { "" } else { ", " };
                // Writing to a string cannot fail.
                let _infallible = write!(names, "{separator}`{pointer}/{}`", shortened(name));
            }
            return format!("{names}: no such argument");
        }
        Kind::Required { property } => {
            return format!(
                "`{pointer}/{}` is required",
                property.as_str().unwrap_or_default()
            );
        }
        Kind::Type {
            kind: TypeKind::Single(expected),
        } => format!("expected {expected}"),
        Kind::Type {
            kind: TypeKind::Multiple(_),
        } => "expected another type".to_owned(),
        Kind::Enum { options } => format!("expected one of {options}"),
        Kind::Minimum { limit } => format!("expected at least {limit}"),
        Kind::Maximum { limit } => format!("expected at most {limit}"),
        Kind::MinLength { limit } => format!("expected at least {limit} characters"),
        Kind::MaxLength { limit } => format!("expected at most {limit} characters"),
        Kind::MinItems { limit } => format!("expected at least {limit} items"),
        Kind::MaxItems { limit } => format!("expected at most {limit} items"),
        other => format!("does not meet `{}`", other.keyword()),
    };
    format!("{place}: {expected}")
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn depth_and_size_are_counted_as_they_are_told() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |value, _| json!([value]));
        assert!(is_shallow(&nested(3), 3));
        assert!(!is_shallow(&nested(4), 3));
        assert!(is_shallow(&json!("text"), 0));
        assert!(!is_shallow(&json!({ "a": { "b": [{}] } }), 3));
        assert_eq!(values(&json!({ "a": [1, 2], "b": {} })), 7);
    }
}

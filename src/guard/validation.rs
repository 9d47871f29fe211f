//! Validation: a call's arguments against its tool's schema.
//!
//! Schemas are compiled once. Errors name the place by JSON pointer and say what was expected;
//! they never repeat a value, because the value may be what must not be repeated.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::{Map, Value};

use super::{Received, schema};
use crate::tools::{Registry, Tool};

/// At most so many problems are told; more would only repeat the same mistake.
const MAX_PROBLEMS: usize = 10;
/// A client's own argument names are repeated up to this length, in characters.
const MAX_NAME_CHARS: usize = 64;

/// A call whose tool exists and whose arguments fit its schema. Only [`Validator`] makes one.
pub struct Validated {
    tool: Arc<dyn Tool>,
    arguments: Map<String, Value>,
    principal: &'static str,
}

impl Validated {
    /// The tool's name.
    #[must_use]
    pub fn tool_name(&self) -> &str {
        &self.tool.definition().name
    }

    /// On whose behalf.
    #[must_use]
    pub fn principal(&self) -> &'static str {
        self.principal
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
    /// The arguments do not fit; the text tells each place and what was expected.
    Schema(String),
}

impl Validator {
    /// Compiles the schemas of all tools.
    ///
    /// # Errors
    /// The name of a tool whose schema is broken: a fault of the build.
    pub fn new(registry: &Registry) -> Result<Self, String> {
        let compile = |tool: &Arc<dyn Tool>| {
            let definition = tool.definition();
            let input_schema = schema::closed(&definition.input_schema);
            let output_schema = schema::closed(&definition.output_schema);
            let new = jsonschema::draft202012::new;
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
            tools: registry.iter().map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// Checks a call.
    ///
    /// # Errors
    /// See [`InvalidArguments`].
    pub fn validate(&self, received: Received) -> Result<Validated, InvalidArguments> {
        let Received {
            tool,
            arguments,
            principal,
        } = received;
        let entry = self.tools.get(&tool).ok_or(InvalidArguments::UnknownTool)?;
        let mut arguments = arguments;
        schema::drop_optional_nulls(&mut arguments, &entry.input_schema);
        let arguments = Value::Object(arguments);
        let problems: Vec<String> = entry
            .input
            .iter_errors(&arguments)
            .take(MAX_PROBLEMS)
            .map(|e| told(&e))
            .collect();
        match (arguments, problems.as_slice()) {
            (Value::Object(arguments), []) => Ok(Validated {
                tool: Arc::clone(&entry.tool),
                arguments,
                principal,
            }),
            _ => Err(InvalidArguments::Schema(problems.join("; "))),
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

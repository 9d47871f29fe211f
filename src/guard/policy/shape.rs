//! What is known of the value of an expression before it is run: which fields it may have.

use super::{
    roots::Known,
    tool::{self, Below, Schema, ToolShape},
};

/// What is known of a value.
#[derive(Debug, Clone)]
pub(super) enum Shape<'s> {
    /// Data of which nothing is known: claims, and what a schema leaves open.
    Unknown,
    /// What an operation makes; its fields are found when it runs.
    Computed,
    /// A variable of ours, or a field of one.
    Ours(Known),
    /// What these schemas describe, one for each tool that has it.
    Described(Vec<&'s Schema>),
}

/// What is known of a field.
#[derive(Debug)]
pub(super) enum Field<'s> {
    Known(Shape<'s>),
    /// There is none of this name, but of these.
    Absent(Vec<&'s str>),
}

impl<'s> Shape<'s> {
    /// The shape of a variable in calls of `tools`.
    pub(super) fn of(known: Known, tools: &[&'s ToolShape]) -> Self {
        match known {
            Known::Arguments => {
                Self::Described(tools.iter().map(|tool| &tool.input_schema).collect())
            }
            Known::Answer => {
                Self::Described(tools.iter().map(|tool| &tool.output_schema).collect())
            }
            known => Self::Ours(known),
        }
    }

    pub(super) fn field(&self, name: &str) -> Field<'s> {
        match self {
            Self::Unknown => Field::Known(Self::Unknown),
            Self::Computed => Field::Known(Self::Computed),
            Self::Ours(Known::Fields(fields)) => {
                match fields.iter().find(|(field, _)| *field == name) {
                    Some((_, Known::Open)) => Field::Known(Self::Unknown),
                    Some((_, known)) => Field::Known(Self::Ours(*known)),
                    None => Field::Absent(fields.iter().map(|(field, _)| *field).collect()),
                }
            }
            // Of a principal's claims nothing is known, but these are always there.
            Self::Ours(Known::Open) => Field::Known(match name {
                "id" | "user_id" | "username" | "provider" => Self::Ours(Known::Leaf),
                "groups" => Self::Ours(Known::Leaves),
                _ => Self::Unknown,
            }),
            Self::Ours(_) => Field::Absent(Vec::new()),
            Self::Described(schemas) => described(schemas, name),
        }
    }

    /// The shape of an item of a list, or of a key of a map.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Ours(Known::ListOf(fields)) => Self::Ours(Known::Fields(fields)),
            Self::Ours(Known::Leaves) => Self::Ours(Known::Leaf),
            Self::Ours(Known::Open) | Self::Unknown => Self::Unknown,
            Self::Ours(_) | Self::Computed => Self::Computed,
            Self::Described(schemas) => {
                let mut known = Vec::new();
                for schema in schemas {
                    match tool::items(schema) {
                        Below::Known(item) => known.push(item),
                        Below::Unknown if schema.contains_key("properties") => {}
                        Below::Unknown => return Self::Unknown,
                        Below::Absent => {}
                    }
                }
                if known.is_empty() {
                    Self::Computed
                } else {
                    Self::Described(known)
                }
            }
        }
    }
}

fn described<'s>(schemas: &[&'s Schema], name: &str) -> Field<'s> {
    let mut known = Vec::new();
    for schema in schemas {
        match tool::property(schema, name) {
            Below::Known(found) => known.push(found),
            Below::Unknown => return Field::Known(Shape::Unknown),
            Below::Absent => {}
        }
    }
    if !known.is_empty() {
        return Field::Known(Shape::Described(known));
    }
    Field::Absent(
        schemas
            .iter()
            .flat_map(|schema| tool::property_names(schema))
            .collect(),
    )
}

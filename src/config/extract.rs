//! From the tree to the settings types: serde's side of the tree.
//!
//! An error keeps the node it is about, not text, so that it can be shown at its place, and so
//! that reading can go on beside it. Errors are kept by their kind; what serde would say about an
//! unexpected value is dropped, since it repeats the value.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
        VariantAccess, Visitor,
    },
    forward_to_deserialize_any,
};

use super::tree::{Entry, Id, Kind, Node};

/// What does not fit, and where.
#[derive(Debug)]
pub(super) struct Misfit {
    /// The key or value; set by the innermost node that was being read.
    pub(super) id: Option<Id>,
    /// What about it.
    pub(super) what: What,
}

/// The kinds of misfit.
#[derive(Debug)]
pub(super) enum What {
    /// A key that no field has.
    UnknownKey(&'static [&'static str]),
    /// A word that is none of the choices.
    UnknownChoice(&'static [&'static str]),
    /// A field without which the map means nothing.
    Missing(&'static str),
    /// A value of another type; what was expected, in serde's words.
    WrongType(String),
    /// A value that the type refuses, with its reason.
    Refused(String),
}

impl Misfit {
    fn new(what: What) -> Self {
        Self { id: None, what }
    }

    fn or_at(mut self, id: Id) -> Self {
        self.id.get_or_insert(id);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting does not fit")
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(What::Refused(reason.to_string()))
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(What::WrongType(expected.to_string()))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(What::WrongType(expected.to_string()))
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::new(What::WrongType(expected.to_string()))
    }

    fn unknown_variant(_: &str, choices: &'static [&'static str]) -> Self {
        Self::new(What::UnknownChoice(choices))
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey(known))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::new(What::Refused(
            "this is written twice, perhaps under two names".to_owned(),
        ))
    }
}

/// Reads a tree as a `T`.
pub(super) fn extract<'t, T: Deserialize<'t>>(node: &'t Node) -> Result<T, Misfit> {
    T::deserialize(Value(node))
}

#[derive(Clone, Copy)]
struct Value<'t>(&'t Node);

impl<'t> Value<'t> {
    fn text(self) -> Option<&'t str> {
        match &self.0.kind {
            Kind::Scalar { text, .. } if !self.0.is_null() => Some(text),
            _ => None,
        }
    }

    /// Hands a value of its own type to a visitor that wants another, for the error.
    fn visit_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.0.kind {
            Kind::List(items) => visitor.visit_seq(Items(items.iter())),
            Kind::Map(entries) => visitor.visit_map(Entries {
                rest: entries.iter(),
                value: None,
            }),
            Kind::Scalar { .. } if self.0.is_null() => visitor.visit_unit(),
            Kind::Scalar { text, plain: false } => visitor.visit_borrowed_str(text),
            Kind::Scalar { text, plain: true } => {
                if let Ok(value) = text.parse::<bool>() {
                    visitor.visit_bool(value)
                } else if let Ok(value) = text.parse::<u64>() {
                    visitor.visit_u64(value)
                } else if let Ok(value) = text.parse::<i64>() {
                    visitor.visit_i64(value)
                } else if let Some(value) = number(text) {
                    visitor.visit_f64(value)
                } else {
                    visitor.visit_borrowed_str(text)
                }
            }
        }
    }

    fn visit_text<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.text() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.visit_any(visitor),
        }
    }

    fn visit_keys<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Misfit> {
        // A section whose entries are all commented out is an empty section.
        if self.0.is_null() {
            return visitor.visit_map(Entries {
                rest: [].iter(),
                value: None,
            });
        }
        match &self.0.kind {
            Kind::Map(_) => self.visit_any(visitor),
            _ => Err(Misfit::invalid_type(de::Unexpected::Unit, &visitor)),
        }
    }
}

/// A decimal number; not `nan`, `inf` or `1_000`.
fn number(text: &str) -> Option<f64> {
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let value = text
        .chars()
        .all(numeric)
        .then(|| text.parse::<f64>().ok())??;
    value.is_finite().then_some(value)
}

macro_rules! at_this_node {
    ($($method:ident => $visit:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.$visit(visitor).map_err(|misfit| misfit.or_at(self.0.id))
        }
    )*};
}

impl<'t> Deserializer<'t> for Value<'t> {
    type Error = Misfit;

    at_this_node! {
        deserialize_any => visit_any,
        deserialize_bool => visit_any,
        deserialize_i8 => visit_any,
        deserialize_i16 => visit_any,
        deserialize_i32 => visit_any,
        deserialize_i64 => visit_any,
        deserialize_i128 => visit_any,
        deserialize_u8 => visit_any,
        deserialize_u16 => visit_any,
        deserialize_u32 => visit_any,
        deserialize_u64 => visit_any,
        deserialize_u128 => visit_any,
        deserialize_f32 => visit_any,
        deserialize_f64 => visit_any,
        deserialize_unit => visit_any,
        deserialize_seq => visit_any,
        deserialize_bytes => visit_text,
        deserialize_byte_buf => visit_text,
        deserialize_char => visit_text,
        deserialize_str => visit_text,
        deserialize_string => visit_text,
        deserialize_identifier => visit_text,
        deserialize_map => visit_keys,
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Misfit> {
        // `allowed_tools:`, `condition:` or `audit:` with nothing behind it is a mistake, and must
        // not lift a restriction.
        let seen = if self.0.says_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        };
        seen.map_err(|misfit| misfit.or_at(self.0.id))
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|misfit| misfit.or_at(self.0.id))
    }

    fn deserialize_unit_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }

    /// A choice: a word, or a map with one key for a choice that has settings.
    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        choices: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let chosen = match &self.0.kind {
            Kind::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(Choice::Map(&entries[0]))
            }
            Kind::Scalar { .. } => match self.text() {
                Some(word) => visitor.visit_enum(Choice::Word(word)),
                None => Err(Misfit::new(What::UnknownChoice(choices))),
            },
            _ => Err(Misfit::custom("exactly one choice is written here")),
        };
        chosen.map_err(|misfit| misfit.or_at(self.0.id))
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }
}

struct Items<'t>(std::slice::Iter<'t, Node>);

impl<'t> SeqAccess<'t> for Items<'t> {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Misfit> {
        let Some(node) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(Value(node))
            .map(Some)
            .map_err(|misfit| misfit.or_at(node.id))
    }
}

struct Entries<'t> {
    rest: std::slice::Iter<'t, Entry>,
    value: Option<&'t Node>,
}

impl<'t> MapAccess<'t> for Entries<'t> {
    type Error = Misfit;

    fn next_key_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Misfit> {
        let Some(entry) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        seed.deserialize(Key(&entry.key))
            .map(Some)
            .map_err(|misfit| misfit.or_at(entry.key_id))
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        let node = self
            .value
            .take()
            .ok_or_else(|| Misfit::custom("a value is read twice"))?;
        seed.deserialize(Value(node))
            .map_err(|misfit| misfit.or_at(node.id))
    }
}

struct Key<'t>(&'t str);

impl<'t> Deserializer<'t> for Key<'t> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(Choice::Word(self.0))
    }

    forward_to_deserialize_any! {
        <W: Visitor<'t>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

enum Choice<'t> {
    Word(&'t str),
    Map(&'t Entry),
}

impl<'t> EnumAccess<'t> for Choice<'t> {
    type Error = Misfit;
    type Variant = Settings<'t>;

    fn variant_seed<S: DeserializeSeed<'t>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Settings<'t>), Misfit> {
        match self {
            Self::Word(word) => {
                let word: de::value::BorrowedStrDeserializer<'_, Misfit> =
                    de::value::BorrowedStrDeserializer::new(word);
                Ok((seed.deserialize(word)?, Settings(None)))
            }
            Self::Map(entry) => {
                let word = entry.key.as_str().into_deserializer();
                let chosen = seed
                    .deserialize(word)
                    .map_err(|misfit: Misfit| misfit.or_at(entry.key_id))?;
                Ok((chosen, Settings(Some(&entry.value))))
            }
        }
    }
}

/// The settings of a choice, if it was written as a map.
struct Settings<'t>(Option<&'t Node>);

impl<'t> Settings<'t> {
    fn value(self) -> Result<Value<'t>, Misfit> {
        self.0
            .map(Value)
            .ok_or_else(|| Misfit::custom("this choice has settings of its own"))
    }
}

impl<'t> VariantAccess<'t> for Settings<'t> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self.0 {
            Some(node) if !node.is_null() => Err(Misfit::custom(
                "this choice has no settings; write the word alone",
            )
            .or_at(node.id)),
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<S::Value, Misfit> {
        let value = self.value()?;
        seed.deserialize(value)
            .map_err(|misfit| misfit.or_at(value.0.id))
    }

    fn tuple_variant<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.value()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'t>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.value()?.deserialize_map(visitor)
    }
}

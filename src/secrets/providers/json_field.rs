//! Takes one string out of a JSON text without making a tree of the rest.
//!
//! A tree would copy every secret of the text into a string of its own. Here all other members
//! are skipped where they stand, and the wanted one is borrowed from the text; only a string with
//! escapes needs a copy, which is wiped.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use zeroize::Zeroizing;

use super::super::Field;

/// The string at a place in a JSON text.
pub(super) enum Text<'a> {
    /// As it stands in the text.
    Borrowed(&'a [u8]),
    /// With its escapes resolved.
    Unescaped(Zeroizing<Vec<u8>>),
}

impl Text<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Unescaped(bytes) => bytes,
        }
    }
}

/// Why there is no string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoText {
    /// The text is not JSON, or a member on the way stands in it twice.
    NotJson,
    /// Nothing is at the place.
    Absent,
    /// Something other than a string is at the place.
    NotString,
}

/// A place in a JSON text: member names, or indices of a list.
pub(super) type Steps = Vec<String>;

/// The steps to a field.
pub(super) fn steps(field: &Field) -> Steps {
    match field {
        Field::Name(name) => vec![name.clone()],
        Field::Pointer(pointer) => pointer
            .split('/')
            .skip(1)
            .map(|s| s.replace("~1", "/").replace("~0", "~"))
            .collect(),
    }
}

/// Finds the string at `steps` in `json`.
pub(super) fn find<'a>(json: &'a [u8], steps: &[String]) -> Result<Text<'a>, NoText> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    // serde_json's error is dropped unseen: its text may quote the input.
    let found = At { steps }
        .deserialize(&mut deserializer)
        .map_err(|_| NoText::NotJson)?;
    deserializer.end().map_err(|_| NoText::NotJson)?;
    found
}

struct At<'s> {
    steps: &'s [String],
}

type Outcome<'de> = Result<Text<'de>, NoText>;

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Outcome<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Outcome<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl At<'_> {
    /// The answer where something stands that cannot be walked into and is no string.
    fn scalar<'de>(&self) -> Outcome<'de> {
        Err(if self.steps.is_empty() {
            NoText::NotString
        } else {
            NoText::Absent
        })
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Outcome<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Outcome<'de>, E> {
        Ok(if self.steps.is_empty() {
            Ok(Text::Borrowed(text.as_bytes()))
        } else {
            self.scalar()
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<Outcome<'de>, E> {
        let copy = || Text::Unescaped(Zeroizing::new(text.as_bytes().to_vec()));
        Ok(if self.steps.is_empty() {
            Ok(copy())
        } else {
            self.scalar()
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Outcome<'de>, E> {
        Ok(self.scalar())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Outcome<'de>, E> {
        Ok(self.scalar())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Outcome<'de>, E> {
        Ok(self.scalar())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Outcome<'de>, E> {
        Ok(self.scalar())
    }

    fn visit_unit<E>(self) -> Result<Outcome<'de>, E> {
        Ok(self.scalar())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outcome<'de>, A::Error> {
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(Is(self.steps.first()))? {
            match self.steps.split_first() {
                // A member that stands twice has no one meaning: readers differ in which they take.
                Some(_) if is_wanted && found.is_some() => return Err(A::Error::custom("twice")),
                Some((_, rest)) if is_wanted => {
                    found = Some(map.next_value_seed(At { steps: rest })?)
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found.unwrap_or_else(|| self.scalar()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Outcome<'de>, A::Error> {
        let wanted = self
            .steps
            .split_first()
            .map(|(step, rest)| (step.parse::<usize>().ok(), rest));
        let mut found = None;
        for index in 0.. {
            let more = match wanted {
                Some((Some(at), rest)) if at == index => {
                    found = list.next_element_seed(At { steps: rest })?;
                    found.is_some()
                }
                _ => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(found.unwrap_or_else(|| self.scalar()))
    }
}

/// Whether a member's name is the wanted one, without keeping the name.
struct Is<'s>(Option<&'s String>);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(self.0.is_some_and(|wanted| wanted == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str, field: &str) -> Result<String, NoText> {
        let field = match field.strip_prefix('/') {
            Some(_) => Field::Pointer(field.to_owned()),
            None => Field::Name(field.to_owned()),
        };
        find(json.as_bytes(), &steps(&field))
            .map(|text| String::from_utf8(text.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn a_field_is_found_by_name_and_by_pointer() {
        let json = r#"{"x": [1, {"k/e~y": "deep"}], "a/b": "slash", "k": "v", "n": null}"#;
        for (field, found) in [
            ("k", Ok("v")),
            ("a/b", Ok("slash")),
            ("/a~1b", Ok("slash")),
            ("/x/1/k~1e~0y", Ok("deep")),
            ("missing", Err(NoText::Absent)),
            ("/x/7", Err(NoText::Absent)),
            ("/k/deeper", Err(NoText::Absent)),
            ("x", Err(NoText::NotString)),
            ("/x/0", Err(NoText::NotString)),
            ("n", Err(NoText::NotString)),
        ] {
            assert_eq!(at(json, field), found.map(str::to_owned), "{field}");
        }
    }

    #[test]
    fn escapes_are_resolved_and_a_plain_string_is_not_copied() {
        assert_eq!(at(r#"{"k": "a\"\u00e9\n"}"#, "k"), Ok("a\"é\n".to_owned()));
        let json = br#"{"k": "plain"}"#;
        let text = find(json, &["k".to_owned()]).unwrap_or(Text::Borrowed(b""));
        assert!(matches!(text, Text::Borrowed(b"plain")));
    }

    #[test]
    fn what_is_not_one_json_text_with_one_such_member_is_refused() {
        for json in [
            "",
            "plain",
            r#"{"k": "v""#,
            r#"{"k": "v"} x"#,
            r#"{"k": "v", "k": "w"}"#,
        ] {
            assert_eq!(at(json, "k"), Err(NoText::NotJson), "{json}");
        }
    }
}

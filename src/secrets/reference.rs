//! A reference: where a secret lives, as written in configuration.
//!
//! A reference is text an operator writes and every provider reads, so it is parsed once, here,
//! into parts that no provider has to split again. Text that looks like a key is refused without
//! being repeated, because a key pasted where its reference belongs is the likeliest mistake.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::key_shape::looks_like_key;

/// Where a secret lives: `provider:path`, with optional `?option=value` and `#field`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    provider: String,
    path: String,
    options: BTreeMap<String, String>,
    field: Option<Field>,
}

/// Which part of a JSON secret is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// A member of the top-level object.
    Name(String),
    /// A JSON pointer (RFC 6901), written with a leading `/`.
    Pointer(String),
}

/// Why a text is not a reference. No variant repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// The text has the shape of an AI vendor's or cloud's key.
    #[error("this looks like a key itself, not like a reference to one")]
    LooksLikeKey,
    /// There is no `provider:` in front.
    #[error("a reference begins with its provider, as in `env:OPENAI_API_KEY`")]
    NoProvider,
    /// Nothing follows the provider.
    #[error("a reference names a place after its provider, as in `vault:secret/ai/openai#api_key`")]
    NoPath,
    /// White space or a control character.
    #[error("a reference has no white space and no control characters")]
    Whitespace,
    /// `?` without `name=value`, or the same option twice.
    #[error("options are written once each, as in `?version=3&namespace=team-a`")]
    BadOption,
    /// `#` with nothing behind it, or two of them.
    #[error("one field follows `#`, as in `#api_key` or `#/data/key`")]
    BadField,
    /// A path segment that walks.
    #[error("a reference's path has no `.` or `..` segments")]
    WalkingPath,
}

impl Reference {
    /// The provider's name, such as `vault`.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What stands between the provider and the first `?` or `#`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of an option such as `version`.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// The names of the options given, in order.
    pub fn option_names(&self) -> impl Iterator<Item = &str> {
        self.options.keys().map(String::as_str)
    }

    /// The field asked for, if any.
    #[must_use]
    pub fn field(&self) -> Option<&Field> {
        self.field.as_ref()
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if looks_like_key(text) {
            return Err(InvalidReference::LooksLikeKey);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidReference::Whitespace);
        }
        let (provider, rest) = text.split_once(':').ok_or(InvalidReference::NoProvider)?;
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if provider.is_empty() || !provider.chars().all(named) {
            return Err(InvalidReference::NoProvider);
        }
        // A secret of `sk-…` pasted behind a provider's name is as much a leak as one alone.
        if looks_like_key(rest) {
            return Err(InvalidReference::LooksLikeKey);
        }
        let Parts { path, query, field } = split(rest)?;
        if looks_like_key(path) {
            return Err(InvalidReference::LooksLikeKey);
        }
        if path.is_empty() {
            return Err(InvalidReference::NoPath);
        }
        let walks = |s: &str| s == "." || s == "..";
        if provider != "file" && path.split('/').any(walks) {
            return Err(InvalidReference::WalkingPath);
        }
        Ok(Self {
            provider: provider.to_owned(),
            path: path.to_owned(),
            options: query.map(options).transpose()?.unwrap_or_default(),
            field: field.map(parse_field).transpose()?,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.path)?;
        for (index, (name, value)) in self.options.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        match &self.field {
            Some(Field::Name(field) | Field::Pointer(field)) => write!(f, "#{field}"),
            None => Ok(()),
        }
    }
}

struct Parts<'a> {
    path: &'a str,
    query: Option<&'a str>,
    field: Option<&'a str>,
}

/// Splits path, options and field. The options may stand before the field, as in a URI, or after
/// it, as people write them.
fn split(rest: &str) -> Result<Parts<'_>, InvalidReference> {
    let (before, after) = match rest.split_once('#') {
        Some((before, after)) => (before, Some(after)),
        None => (rest, None),
    };
    let (path, query) = match before.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (before, None),
    };
    let Some(after) = after else {
        return Ok(Parts {
            path,
            query,
            field: None,
        });
    };
    match (query, after.split_once('?')) {
        (None, Some((field, query))) => Ok(Parts {
            path,
            query: Some(query),
            field: Some(field),
        }),
        (Some(_), Some(_)) => Err(InvalidReference::BadOption),
        (query, None) => Ok(Parts {
            path,
            query,
            field: Some(after),
        }),
    }
}

fn options(query: &str) -> Result<BTreeMap<String, String>, InvalidReference> {
    let mut options = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or(InvalidReference::BadOption)?;
        let fresh = options.insert(name.to_owned(), value.to_owned()).is_none();
        if name.is_empty() || value.is_empty() || pair.contains(['?', '#']) || !fresh {
            return Err(InvalidReference::BadOption);
        }
    }
    Ok(options)
}

fn parse_field(field: &str) -> Result<Field, InvalidReference> {
    if field.is_empty() || field.contains('#') {
        Err(InvalidReference::BadField)
    } else if field.starts_with('/') {
        Ok(Field::Pointer(field.to_owned()))
    } else {
        Ok(Field::Name(field.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Reference, InvalidReference> {
        text.parse()
    }

    #[test]
    fn the_documented_forms_parse_into_their_parts() {
        let vault = parse("vault:secret/ai/openai#api_key").unwrap();
        assert_eq!(vault.provider(), "vault");
        assert_eq!(vault.path(), "secret/ai/openai");
        assert_eq!(vault.field(), Some(&Field::Name("api_key".into())));
        let arn = parse("aws:arn:aws:secretsmanager:eu-central-1:1:secret:a-b?stage=AWSPREVIOUS")
            .unwrap();
        assert_eq!(
            arn.path(),
            "arn:aws:secretsmanager:eu-central-1:1:secret:a-b"
        );
        assert_eq!(arn.option("stage"), Some("AWSPREVIOUS"));
        assert_eq!(
            parse("vault:team/kv//ai/openai").unwrap().path(),
            "team/kv//ai/openai"
        );
    }

    #[test]
    fn options_may_stand_before_or_after_the_field() {
        let uri_order = parse("vault:kv/a?version=3&namespace=t#/x/y").unwrap();
        let human_order = parse("vault:kv/a#/x/y?namespace=t&version=3").unwrap();
        assert_eq!(uri_order, human_order);
        assert_eq!(uri_order.field(), Some(&Field::Pointer("/x/y".into())));
    }

    #[test]
    fn a_pasted_key_is_refused_as_such_and_not_repeated() {
        for key in [
            "sk-proj-0123456789abcdef",
            "AIzaSyA0123456789abcdef",
            "env:sk-0123456789abcdef",
            "env:sk-0123456789abcdef?version=1",
            "env:sk-0123456789abcdef#field",
        ] {
            let error = parse(key).unwrap_err();
            assert_eq!(error, InvalidReference::LooksLikeKey);
            assert!(!error.to_string().contains("0123456789"));
        }
    }

    #[test]
    fn malformed_references_are_refused() {
        use InvalidReference as E;
        for (text, error) in [
            ("OPENAI_API_KEY", E::NoProvider),
            (":x", E::NoProvider),
            ("env:", E::NoPath),
            ("env:A B", E::Whitespace),
            ("vault:a/b?version", E::BadOption),
            ("vault:a/b?v=1&v=2", E::BadOption),
            ("vault:a/b#f?v#g=1", E::BadOption),
            ("vault:a/b#f?v?w=1", E::BadOption),
            ("vault:a/b#", E::BadField),
            ("vault:a/b#x#y", E::BadField),
            ("vault:a/../b", E::WalkingPath),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            drop(parse(&text));
        }

        #[test]
        fn what_parses_is_written_back_as_itself(
            text in "(env|vault|aws|file):[a-zA-Z0-9_/:.-]{1,30}(\\?[a-z]{1,5}=[a-z0-9]{1,5})?(#/?[a-z_]{1,9})?"
        ) {
            if let Ok(reference) = parse(&text) {
                prop_assert_eq!(parse(&reference.to_string()), Ok(reference));
            }
        }
    }
}

//! A regular expression, compiled at load or when a text first calls for it.
//!
//! Compiling all that ship would take longer than everything else at start and several megabytes,
//! and most processes meet no text that calls for more than a few. Those of users are compiled at
//! load, where a mistake can still be told; that those which ship can be compiled is shown by a
//! test.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

const MAX_REGEX: usize = 8 << 10;
/// Of a compiled regular expression, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// When the expressions of a file are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Compile {
    /// At load: mistakes are told.
    Now,
    /// When first needed: there are none.
    Later,
}

/// A regular expression over bytes, whose classes are ASCII, as in gitleaks.
#[derive(Debug)]
pub(super) struct Expression {
    source: Box<str>,
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    /// The expression that `source` says.
    ///
    /// # Errors
    /// What is wrong with it, if it is compiled now.
    pub(super) fn new(source: &str, when: Compile) -> Result<Self, &'static str> {
        let compiled = OnceLock::new();
        if when == Compile::Now {
            // It was empty, so this sets it.
            let _set = compiled.set(Some(compile(source)?));
        }
        Ok(Self {
            source: source.into(),
            compiled,
        })
    }

    /// The compiled form; `None` if there is none, which must be taken for a match.
    pub(super) fn get(&self) -> Option<&Regex> {
        let compiled = self.compiled.get_or_init(|| compile(&self.source).ok());
        compiled.as_ref()
    }
}

fn compile(source: &str) -> Result<Regex, &'static str> {
    if source.len() > MAX_REGEX {
        return Err("is longer than 8 KiB");
    }
    let mut builder = RegexBuilder::new(source);
    builder.unicode(false).size_limit(MAX_COMPILED);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "is too large",
        _ => "is not one that RE2 and Rust both read",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_at_load_or_leaves_no_compiled_form() {
        assert!(Expression::new("(", Compile::Now).is_err());
        assert!(
            Expression::new("(", Compile::Later)
                .unwrap()
                .get()
                .is_none()
        );
        for when in [Compile::Now, Compile::Later] {
            let expression = Expression::new("a+", when).unwrap();
            assert!(expression.get().unwrap().is_match(b"caab"));
        }
        assert!(Expression::new(&"a".repeat(MAX_REGEX + 1), Compile::Now).is_err());
        assert!(Expression::new("a{1000}{1000}", Compile::Now).is_err());
    }
}

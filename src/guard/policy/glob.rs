//! Patterns for names: of tools, principals, models.
//!
//! Two wildcards and nothing else, so that what a pattern means is seen at a glance; matching
//! takes at most the product of both lengths.

use serde::{Deserialize, de::value::StrDeserializer};

use crate::call::{Principal, PrincipalKind};

/// A name, in which `*` is any text and `?` any one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    text: String,
    is_literal: bool,
}

impl Glob {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            is_literal: !text.contains(['*', '?']),
        }
    }

    /// Whether it means one name only.
    pub(super) fn is_literal(&self) -> bool {
        self.is_literal
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The same in any case, as models are asked for.
    pub(super) fn in_any_case(text: &str) -> Self {
        Self::new(&text.to_ascii_lowercase())
    }

    /// Whether it means `name`, of a pattern that was made for any case.
    pub(super) fn matches_in_any_case(&self, name: &str) -> bool {
        self.matches(&name.to_ascii_lowercase())
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        if self.is_literal {
            return self.text == name;
        }
        let (mut pattern, mut rest) = (self.text.chars(), name.chars());
        // Where to go on if what follows the last `*` does not fit after all.
        let mut retry = None;
        loop {
            let here = rest.clone();
            match (pattern.next(), rest.next()) {
                (Some('*'), _) => {
                    retry = Some((pattern.clone(), here.clone()));
                    rest = here;
                }
                (None, None) => return true,
                (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {}
                _ => {
                    let Some((after_star, from)) = &mut retry else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    (pattern, rest) = (after_star.clone(), from.clone());
                }
            }
        }
    }
}

/// A pattern for principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PrincipalGlob {
    Id(Glob),
    Group(Glob),
    Kind(Glob),
}

impl PrincipalGlob {
    /// Reads a pattern. `None`: it names a kind that there is not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(group) = text.strip_prefix("group:") {
            return Some(Self::Group(Glob::new(group)));
        }
        let Some(kind) = text.strip_prefix("kind:") else {
            return Some(Self::Id(Glob::new(text)));
        };
        let glob = Glob::new(kind);
        let words = StrDeserializer::<serde::de::value::Error>::new(kind);
        let is_kind = !glob.is_literal() || PrincipalKind::deserialize(words).is_ok();
        is_kind.then_some(Self::Kind(glob))
    }

    pub(super) fn matches(&self, principal: &Principal) -> bool {
        match self {
            Self::Id(glob) => glob.matches(&principal.id),
            Self::Group(glob) => principal.groups.iter().any(|group| glob.matches(group)),
            Self::Kind(glob) => glob.matches(principal.kind.label()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_any_one_character() {
        for (pattern, matches, not) in [
            ("chat", &["chat"][..], &["chats", "Chat", "", "cha"][..]),
            ("*", &["", "chat", "ü"], &[]),
            ("gpt-*", &["gpt-", "gpt-5"], &["gpt", "xgpt-5"]),
            ("*-mini", &["gpt-mini", "-mini", "a-mini-mini"], &["mini"]),
            ("g*t*5", &["gt5", "gpt-5", "gat-t55"], &["gpt-6", "g5t"]),
            ("gpt-?", &["gpt-5", "gpt-ü"], &["gpt-", "gpt-55"]),
            ("**a", &["a", "ba"], &["ab"]),
        ] {
            let glob = Glob::new(pattern);
            for name in matches {
                assert!(glob.matches(name), "{pattern} {name}");
            }
            for name in not {
                assert!(!glob.matches(name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!Glob::new(&"*a".repeat(200)).matches(&"a".repeat(199)));
        assert!(!Glob::new(&format!("{}b", "*a".repeat(50))).matches(&"a".repeat(5000)));
    }

    proptest! {
        #[test]
        fn a_glob_agrees_with_the_same_pattern_as_a_regex(
            pattern in "[ab*?]{0,8}", name in "[ab]{0,10}",
        ) {
            let regex = regex::escape(&pattern).replace(r"\*", ".*").replace(r"\?", ".");
            let regex = regex::Regex::new(&format!("^{regex}$")).unwrap();
            prop_assert_eq!(Glob::new(&pattern).matches(&name), regex.is_match(&name));
        }
    }

    #[test]
    fn a_principal_is_meant_by_id_group_or_kind_and_never_by_an_id_that_looks_like_a_group() {
        let principal = Principal {
            id: "group:admins".to_owned(),
            kind: PrincipalKind::Token,
            groups: vec!["staff".to_owned(), "eu-staff".to_owned()],
            claims: serde_json::Map::new(),
        };
        let matches = |text| PrincipalGlob::parse(text).unwrap().matches(&principal);
        assert!(matches("group:staff") && matches("group:eu-*") && matches("kind:token"));
        assert!(matches("*") && matches("kind:*"));
        assert!(!matches("group:admins") && !matches("staff") && !matches("kind:local"));
        assert_eq!(PrincipalGlob::parse("kind:tokn"), None);
    }
}

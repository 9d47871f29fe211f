//! References that differ from principal to principal: `vault:users/{principal.sub}/openai#api_key`.
//!
//! What is put in comes from a token or a certificate, so from outside. Its alphabet is so narrow
//! that it can neither walk a path nor begin an option, a field or a pattern; whoever does not fit
//! gets no secret, and nothing is cut or escaped to make them fit.

use super::{InvalidReference, Reference};

/// What stands for the principal in a reference.
const PLACEHOLDER: &str = "{principal.sub}";

/// The longest principal that is put into a reference.
const MAX_BYTES: usize = 128;

/// A reference as written in configuration: fixed, or with a place for the principal.
#[derive(Debug, Clone)]
pub(super) enum WrittenReference {
    Fixed(Reference),
    /// Proved at load with a sample.
    PerPrincipal(String),
}

impl WrittenReference {
    /// Reads a reference; one with a placeholder is proved with a sample principal.
    pub(super) fn parse(text: &str) -> Result<(Self, Reference), InvalidReference> {
        if text.contains(PLACEHOLDER) {
            let sample = text.replace(PLACEHOLDER, "sample").parse()?;
            Ok((Self::PerPrincipal(text.to_owned()), sample))
        } else {
            let reference: Reference = text.parse()?;
            Ok((Self::Fixed(reference.clone()), reference))
        }
    }

    /// The place for `principal`; `None` if that principal cannot stand in a reference.
    pub(super) fn of(&self, principal: &str) -> Option<Reference> {
        match self {
            Self::Fixed(reference) => Some(reference.clone()),
            Self::PerPrincipal(text) if may_stand_in_a_path(principal) => {
                text.replace(PLACEHOLDER, principal).parse().ok()
            }
            Self::PerPrincipal(_) => None,
        }
    }

    pub(super) fn is_per_principal(&self) -> bool {
        matches!(self, Self::PerPrincipal(_))
    }

    /// As written in configuration.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Fixed(reference) => reference.to_string(),
            Self::PerPrincipal(text) => text.clone(),
        }
    }
}

/// Letters, digits and `. _ @ -`, beginning with a letter or a digit, without two dots in a row.
fn may_stand_in_a_path(principal: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'@' | b'-');
    principal.len() <= MAX_BYTES
        && principal.bytes().all(allowed)
        && principal.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !principal.contains("..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WRITTEN: &str = "vault:users/{principal.sub}/openai#api_key";

    #[test]
    fn a_principal_is_put_in_whole_or_not_at_all() {
        let (written, _) = WrittenReference::parse(WRITTEN).unwrap();
        for good in ["alice", "alice@team.example", "u-1_2.3", "7"] {
            let reference = written.of(good).unwrap();
            assert_eq!(reference.path(), format!("users/{good}/openai"));
        }
        for bad in [
            "",
            "..",
            ".",
            "a/b",
            "../root",
            "a..b",
            "-a",
            ".a",
            "a#b",
            "a?version=1",
            "a b",
            "a%2fb",
            "*",
            "+",
            "ä",
            "{name}",
            "a\n",
            &"a".repeat(129),
        ] {
            assert!(written.of(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_reference_without_the_placeholder_is_the_same_for_all() {
        let (written, _) = WrittenReference::parse("vault:secret/ai#k").unwrap();
        assert_eq!(written.of("../x"), written.of("alice"));
        assert!(!written.is_per_principal());
    }

    proptest! {
        #[test]
        fn no_principal_leads_out_of_its_segment(principal in ".{0,40}") {
            let (written, _) = WrittenReference::parse(WRITTEN).unwrap();
            if let Some(reference) = written.of(&principal) {
                prop_assert_eq!(reference.provider(), "vault");
                let segments: Vec<&str> = reference.path().split('/').collect();
                prop_assert_eq!(segments, ["users", principal.as_str(), "openai"]);
                prop_assert_eq!(reference.option_names().count(), 0);
                prop_assert_eq!(reference.to_string().matches('#').count(), 1);
            }
        }
    }
}

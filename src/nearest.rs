//! Which known names are most like a word that nobody knows.
//!
//! Only names that the program or its configuration knows are suggested; the word itself is not
//! repeated.

/// No name of ours is longer; what is longer would only cost time.
const LONGEST: usize = 64;

/// A known name, and how far it is from the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Near<'a> {
    /// The name.
    pub(crate) name: &'a str,
    edits: usize,
}

impl Near<'_> {
    /// Whether the word was probably meant to be this name: a slip of the finger, no more.
    pub(crate) fn is_close(&self) -> bool {
        self.edits <= (self.name.len() / 3).clamp(1, 3)
    }
}

/// All of `known`, the one that takes the fewest edits to become `word` first. Case does not
/// count, nor does `-` for `_`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<Near<'a>> {
    let folded = |text: &str| -> String {
        text.chars()
            .take(LONGEST)
            .map(|c| {
                if c == '-' {
                    '_'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let word = folded(word);
    let mut ranked: Vec<Near<'a>> = known
        .into_iter()
        .map(|name| Near {
            name,
            edits: strsim::damerau_levenshtein(&word, &folded(name)),
        })
        .collect();
    ranked.sort_by_key(|near| near.edits);
    ranked
}

/// The one of `known` that was probably meant by `word`.
pub(crate) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = nearest(word, known).into_iter().next()?;
    near.is_close().then_some(near.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first() {
        let known = ["gpt-4.1", "gpt-6-luna", "gpt-5", "grok-4.6", "qwen3:32b"];
        assert_eq!(nearest("gpt5", known)[0].name, "gpt-5");
        assert_eq!(nearest("QWEN332b", known)[0].name, "qwen3:32b");
        assert_eq!(nearest("gpt5", known).len(), known.len());
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_a_stranger_finds_none() {
        let providers = ["env", "file", "vault", "aws"];
        let sections = ["server", "secrets", "models"];
        for (written, known, meant_by_it) in [
            ("vualt", &providers[..], Some("vault")),
            ("vaults", &providers, Some("vault")),
            ("fil", &providers, Some("file")),
            ("gcp", &providers, None),
            ("secret", &sections, Some("secrets")),
            ("base-url", &["base_url", "models"], Some("base_url")),
            ("Level", &["level"], Some("level")),
            ("banana", &["server", "secrets"], None),
        ] {
            assert_eq!(
                meant(written, known.iter().copied()),
                meant_by_it,
                "{written}"
            );
        }
    }

    #[test]
    fn a_pasted_page_is_cut_before_it_is_compared_and_is_near_nothing() {
        let page = "v".repeat(1 << 20);
        assert_eq!(meant(&page, ["vault", "env"]), None);
        assert_eq!(nearest(&page, ["vault"])[0].edits, LONGEST - 1);
    }
}

//! The order in which a text is looked through: as it is, then what its escapes and its base64
//! mean.
//!
//! Escapes may hold base64, base64 is not unwrapped again: what is wrapped twice is not seen.

use super::{
    super::{
        merge::Hit,
        personal::{self, Kind},
        rules::Pattern,
    },
    base64,
    budget::{Budget, Exhausted},
    escapes::Passages,
    keywords::Keywords,
    windows,
};

/// All rules, ready to search.
pub(in super::super) struct Scanner {
    patterns: Vec<Pattern>,
    keywords: Keywords,
    /// Those without keywords.
    everywhere: Vec<usize>,
    personal: Vec<Kind>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Sought {
    /// Secrets.
    pub(in super::super) secrets: bool,
    /// Personal data.
    pub(in super::super) personal: bool,
}

impl Scanner {
    /// For these rules. Those of personal data count on behind `patterns`, in a [`Hit`].
    pub(in super::super) fn new(patterns: Vec<Pattern>, personal: Vec<Kind>) -> Self {
        let keyed =
            |(rule, pattern): (usize, &Pattern)| pattern.keywords.is_empty().then_some(rule);
        let everywhere = patterns.iter().enumerate().filter_map(keyed).collect();
        let words = patterns.iter().enumerate();
        let keywords = Keywords::new(words.map(|(rule, pattern)| (rule, &*pattern.keywords)));
        Self {
            patterns,
            keywords,
            everywhere,
            personal,
        }
    }

    /// Finds everything that is sought in `text`.
    ///
    /// # Errors
    /// [`Exhausted`]: the budget did not suffice, and there may be more than `hits` says.
    pub(in super::super) fn scan(
        &self,
        text: &str,
        sought: Sought,
        budget: &mut Budget,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Exhausted> {
        if !sought.secrets && !sought.personal {
            return Ok(());
        }
        self.unescaped(text.as_bytes(), sought, budget, hits)?;
        for passage in Passages::of(text.as_bytes()) {
            budget.spend(passage.bytes().len())?;
            let mut below = Vec::new();
            self.unescaped(passage.bytes(), sought, budget, &mut below)?;
            hits.extend(below.into_iter().map(|hit| Hit {
                rule: hit.rule,
                range: passage.source(&hit.range),
            }));
        }
        Ok(())
    }

    /// The same of a text that is base64 of something that is no text, such as an image: what it is
    /// written in says nothing, and would say everything sooner or later.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    pub(in super::super) fn scan_encoded(
        &self,
        text: &str,
        sought: Sought,
        budget: &mut Budget,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Exhausted> {
        if sought.secrets {
            self.encoded(text.as_bytes(), budget, hits)?;
        }
        Ok(())
    }

    fn unescaped(
        &self,
        text: &[u8],
        sought: Sought,
        budget: &mut Budget,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Exhausted> {
        if sought.personal {
            let first = self.patterns.len();
            personal::find(text, &self.personal, &mut |index, range| {
                hits.push(Hit {
                    rule: first + index,
                    range,
                });
            });
        }
        if !sought.secrets {
            return Ok(());
        }
        self.patterns(text, &self.everywhere, budget, hits)?;
        self.encoded(text, budget, hits)
    }

    fn encoded(
        &self,
        text: &[u8],
        budget: &mut Budget,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Exhausted> {
        base64::decode(text, budget, |plain, source, budget| {
            let mut below = Vec::new();
            // Rules without keywords would see things in what is no text.
            self.patterns(plain, &[], budget, &mut below)?;
            hits.extend(below.into_iter().map(|hit| Hit {
                rule: hit.rule,
                range: source(&hit.range),
            }));
            Ok(())
        })
    }

    fn patterns(
        &self,
        text: &[u8],
        everywhere: &[usize],
        budget: &mut Budget,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Exhausted> {
        windows::find(
            &self.patterns,
            &self.keywords,
            everywhere,
            text,
            budget,
            hits,
        )
    }
}

//! The search for the keywords of all rules at once, in any case.
//!
//! Three bytes at a time, five bits of each, are looked up in a table of the grams with which a
//! keyword begins, eight places at once. This costs the same for any number of keywords, and less
//! than half of what an automaton over all of them does. Only where a keyword may begin are
//! keywords compared.

use std::ops::Range;

/// Of a gram: five bits for each of three bytes, which fold the case of letters.
const GRAM_BITS: usize = 15;
const GRAMS: usize = 1 << GRAM_BITS;

/// All keywords.
#[derive(Debug)]
pub(super) struct Keywords {
    /// For each gram with which a keyword begins the number of its group; 0 for others.
    begins: Box<[u16; GRAMS]>,
    /// Keywords that begin with the same gram; the first group is empty.
    groups: Vec<Vec<Word>>,
}

#[derive(Debug)]
struct Word {
    text: Box<[u8]>,
    rules: Vec<usize>,
}

impl Keywords {
    /// For `rules`: each one's number and its keywords, in small letters, of three bytes or more.
    pub(super) fn new<'k>(rules: impl Iterator<Item = (usize, &'k [String])>) -> Self {
        let mut begins = Box::new([0; GRAMS]);
        let mut groups: Vec<Vec<Word>> = vec![Vec::new()];
        for (rule, keywords) in rules {
            for keyword in keywords {
                let text = keyword.as_bytes();
                let group = &mut begins[gram(text)];
                // There are half as many grams as numbers.
                if *group == 0 {
                    *group = u16::try_from(groups.len()).unwrap_or(u16::MAX);
                    groups.push(Vec::new());
                }
                let Some(words) = groups.get_mut(usize::from(*group)) else {
                    continue;
                };
                match words.iter_mut().find(|word| *word.text == *text) {
                    Some(word) => word.rules.push(rule),
                    None => words.push(Word {
                        text: text.into(),
                        rules: vec![rule],
                    }),
                }
            }
        }
        Self { begins, groups }
    }

    /// Calls `at` with each place in `text` where a keyword is, and the rules that it is of.
    pub(super) fn find(&self, text: &[u8], mut at: impl FnMut(Range<usize>, &[usize])) {
        let (eights, rest) = text.as_chunks::<8>();
        // Five bits of each byte so far, the last ones lowest.
        let mut bits = 0;
        for (index, eight) in eights.iter().enumerate() {
            bits = bits << 40 | fold(*eight);
            let begins = |place: usize| self.begins[(bits >> (35 - 5 * place)) as usize % GRAMS];
            if (0..8).fold(0, |any, place| any | begins(place)) != 0 {
                for place in (0..8).filter(|&place| begins(place) != 0) {
                    self.compare(text, index * 8 + place, &mut at);
                }
            }
        }
        let behind = text.len() - rest.len();
        for last in behind..text.len() {
            self.compare(text, last, &mut at);
        }
    }

    /// Calls `at` with the keywords whose third byte is at `third`.
    fn compare(&self, text: &[u8], third: usize, at: &mut impl FnMut(Range<usize>, &[usize])) {
        let Some(start) = third.checked_sub(2) else {
            return;
        };
        let there = text.get(start..).unwrap_or_default();
        let group = self.begins[gram(there)];
        for word in self.groups.get(usize::from(group)).into_iter().flatten() {
            // Most words of ordinary text differ in the fourth byte.
            let may_be = match (there.get(3), word.text.get(3)) {
                (Some(one), Some(other)) => (one ^ other) & 31 == 0,
                _ => true,
            };
            let is_word = |there: &[u8]| there.eq_ignore_ascii_case(&word.text);
            if may_be && there.get(..word.text.len()).is_some_and(is_word) {
                at(start..start + word.text.len(), &word.rules);
            }
        }
    }
}

/// The gram of a word's first three bytes.
fn gram(word: &[u8]) -> usize {
    let bits = |gram: usize, byte: &u8| gram << 5 | usize::from(byte & 31);
    word.iter().take(3).fold(0, bits)
}

/// Five bits of each byte, side by side.
fn fold(eight: [u8; 8]) -> u64 {
    let bytes = u64::from_be_bytes(eight) & 0x1f1f_1f1f_1f1f_1f1f;
    let pairs = (bytes & 0x001f_001f_001f_001f) | (bytes & 0x1f00_1f00_1f00_1f00) >> 3;
    let fours = (pairs & 0x0000_03ff_0000_03ff) | (pairs & 0x03ff_0000_03ff_0000) >> 6;
    (fours & 0x000f_ffff) | (fours & 0x000f_ffff_0000_0000) >> 12
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, Vec<usize>)> {
        let rules = [
            vec!["token".to_owned(), "tok".to_owned()],
            vec!["token".to_owned(), "sk-".to_owned()],
        ];
        let rules = rules.iter().enumerate();
        let keywords = Keywords::new(rules.map(|(rule, words)| (rule, words.as_slice())));
        let mut found = Vec::new();
        keywords.find(text.as_bytes(), |range, rules| {
            let there = text[range.clone()].to_ascii_lowercase();
            assert!(["token", "tok", "sk-"].contains(&&*there), "{there}");
            found.push((range.start, rules.to_vec()));
        });
        found.sort();
        found
    }

    #[test]
    fn every_keyword_is_found_in_any_case_wherever_it_stands() {
        assert_eq!(found("TOKen"), [(0, vec![0]), (0, vec![0, 1])]);
        assert_eq!(found("xsk-tok"), [(1, vec![1]), (4, vec![0])]);
        assert_eq!(found("tok"), [(0, vec![0])]);
        assert_eq!(found("toke\u{141}to"), [(0, vec![0])]);
        for before in 0..20 {
            for behind in 0..20 {
                let text = format!("{}sk-{}", " ".repeat(before), " ".repeat(behind));
                assert_eq!(found(&text), [(before, vec![1])]);
            }
        }
    }

    #[test]
    fn what_only_shares_the_bits_of_a_keyword_is_none() {
        for other in ["", "to", "4OK%N", "SKM", "t\u{f}k"] {
            assert_eq!(found(other), [], "{other}");
        }
    }
}
